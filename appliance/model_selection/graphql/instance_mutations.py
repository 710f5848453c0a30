"""What an admin can do with the models of features, for the whole instance."""

from collections.abc import Sequence
from typing import Annotated

import strawberry

from appliance.accounts.rules import Access
from appliance.errors import InvalidFieldsError
from appliance.fields.resolving import Context, Info, mutation
from appliance.model_selection import usecases
from appliance.model_selection.graphql.models import AiFeatureSetting, shown
from appliance.model_selection.graphql.names import AiFeatureProviders, features_of
from appliance.model_selection.graphql.settings import AiInstanceFeatureSetting, shown_setting
from appliance.model_selection.graphql.shelf import Shelf
from appliance.model_selection.graphql.wishes import (
    AiFeatureSettingUpdateInput,
    AiInstanceFeatureSettingDeleteInput,
    AiInstanceFeatureSettingUpsertInput,
    Said,
    Terms,
    alike,
    attempted,
    check_said,
    check_some,
    is_said,
)
from appliance.model_selection.rules import FeatureChange, FeatureView, SettingProvider
from appliance.self_hosted_models.usecases import get_model
from appliance.storage.engine import Session
from gateway.contract.catalog import load_catalog

# What use cases call things, and what clients do.
_NAMES = {"allowed_models": "allowedModelRefs"}
_UPSERT_NAMES = {**_NAMES, "default_model": "defaultModelRef"}
_MODEL_FIELDS = {
    AiFeatureProviders.SELF_HOSTED: "aiSelfHostedModelId",
    AiFeatureProviders.VENDORED: "offeredModelRef",
}


@strawberry.type(description="What came of it: `errors` is empty when all of it was done")
class AiFeatureSettingUpdatePayload:
    """The features that were named, as they are now; none if nothing was changed."""

    ai_feature_settings: list[AiFeatureSetting]
    errors: list[str]
    client_mutation_id: str | None


@strawberry.type(description="What came of it: `errors` is empty when all of it was done")
class AiInstanceFeatureSettingUpsertPayload:
    """The features that were named, as they are now; none if nothing was changed."""

    ai_instance_feature_settings: list[AiInstanceFeatureSetting]
    errors: list[str]
    client_mutation_id: str | None


@strawberry.type(description="What came of it: `errors` is empty when all of it was done")
class AiInstanceFeatureSettingDeletePayload(AiInstanceFeatureSettingUpsertPayload):
    """The features that were named, as they are now; none if nothing was changed."""


@strawberry.type
class InstanceModelsMutation:
    """What an admin can do with the models of features."""

    @mutation(
        description="Sets which model features use, for all of them or none; an empty "
        "`offeredModelRef` goes back to what the gateway offers",
        access=Access.ADMIN,
    )
    def ai_feature_setting_update(
        self,
        info: Info,
        wish: Annotated[AiFeatureSettingUpdateInput, strawberry.argument(name="input")],
    ) -> AiFeatureSettingUpdatePayload | None:
        """What groups may choose from stays as it is if it is left out."""
        model_field = _MODEL_FIELDS.get(wish.provider or AiFeatureProviders.DISABLED, "provider")
        found, errors = attempted(
            info.context,
            lambda session: _updated(session, info.context, wish),
            names={**_NAMES, "default_model": model_field},
        )
        shelf = Shelf(info.context)
        return AiFeatureSettingUpdatePayload(
            ai_feature_settings=[shown(each, shelf) for each in found or ()],
            errors=errors,
            client_mutation_id=wish.client_mutation_id or None,
        )

    @mutation(
        description="Sets which model features use and what groups may choose from, for all of "
        "them or none",
        access=Access.ADMIN,
    )
    def ai_instance_feature_setting_upsert(
        self,
        info: Info,
        wish: Annotated[AiInstanceFeatureSettingUpsertInput, strawberry.argument(name="input")],
    ) -> AiInstanceFeatureSettingUpsertPayload | None:
        """A default is required; what else is left out stays as it is."""
        found, errors = attempted(
            info.context,
            lambda session: _upserted(session, info.context, wish),
            names=_UPSERT_NAMES,
        )
        return AiInstanceFeatureSettingUpsertPayload(
            ai_instance_feature_settings=_shown(found, info.context),
            errors=errors,
            client_mutation_id=wish.client_mutation_id or None,
        )

    @mutation(
        description="Forgets what was set of features; what the gateway offers holds again",
        access=Access.ADMIN,
    )
    def ai_instance_feature_setting_delete(
        self,
        info: Info,
        wish: Annotated[AiInstanceFeatureSettingDeleteInput, strawberry.argument(name="input")],
    ) -> AiInstanceFeatureSettingDeletePayload | None:
        """What was never set stays so."""
        asked, features = info.context, features_of(wish.features)
        found, errors = attempted(
            asked, lambda session: _forgotten(session, asked, features), names=_UPSERT_NAMES
        )
        return AiInstanceFeatureSettingDeletePayload(
            ai_instance_feature_settings=_shown(found, asked),
            errors=errors,
            client_mutation_id=wish.client_mutation_id or None,
        )


def _shown(found: Sequence[FeatureView] | None, asked: Context) -> list[AiInstanceFeatureSetting]:
    shelf = Shelf(asked)
    return [shown_setting(each, shelf) for each in found or ()]


def _updated(
    session: Session, asked: Context, wish: AiFeatureSettingUpdateInput
) -> Sequence[FeatureView]:
    check_said(
        wish,
        needed=("features", "provider"),
        foreign=("namespace_id", "feature"),
        belongs_to="aiNamespaceFeatureSettingUpdate",
    )
    features = features_of(wish.features or ())
    if wish.provider is AiFeatureProviders.VENDORED and wish.offered_model_ref == "":
        check_said(
            wish, foreign=("ai_self_hosted_model_id",), belongs_to="the provider SELF_HOSTED"
        )
        _said(wish).check_silent("leave it out where offeredModelRef is empty")
        return _forgotten(session, asked, features)
    return _set(
        session,
        asked,
        features,
        provider=None if wish.provider is None else wish.provider.value,
        ref=_model_of(session, wish),
        said=_said(wish),
    )


def _said(wish: AiFeatureSettingUpdateInput | AiInstanceFeatureSettingUpsertInput) -> Said:
    return Said(allowed=wish.allowed_model_refs, locked=wish.locked)


def _model_of(session: Session, wish: AiFeatureSettingUpdateInput) -> str | None:
    """The ref that is wished for, from the field that goes with the provider."""
    said: dict[str, object] = {
        "aiSelfHostedModelId": wish.ai_self_hosted_model_id,
        "offeredModelRef": wish.offered_model_ref or None,
    }
    wanted = _MODEL_FIELDS.get(wish.provider or AiFeatureProviders.DISABLED)
    problems = {
        name: f"does not go with the provider {wish.provider.name if wish.provider else ''}"
        for name, value in said.items()
        if name != wanted and is_said(value)
    }
    if wanted and not is_said(said[wanted]):
        problems[wanted] = "is required: it is used where no group chooses"
    if problems:
        raise InvalidFieldsError(problems)
    if wanted == "aiSelfHostedModelId":
        return get_model(session, wish.ai_self_hosted_model_id or 0).ref
    return wish.offered_model_ref or None


def _upserted(
    session: Session, asked: Context, wish: AiInstanceFeatureSettingUpsertInput
) -> Sequence[FeatureView]:
    if is_said(wish.default_model_ref) and is_said(wish.offered_model_ref):
        raise InvalidFieldsError({"offeredModelRef": "leave it out beside defaultModelRef"})
    return _set(
        session,
        asked,
        features_of(wish.features),
        provider=wish.provider.value if wish.provider else None,
        ref=wish.default_model_ref or wish.offered_model_ref or None,
        said=_said(wish),
    )


def _set(
    session: Session,
    asked: Context,
    features: Sequence[str],
    *,
    provider: SettingProvider | None,
    ref: str | None,
    said: Said,
) -> Sequence[FeatureView]:
    check_some(features)
    catalog = load_catalog()
    before = {each.name: each for each in usecases.list_features(session, catalog=catalog)}
    # Nothing of what was left to groups goes with a feature that has no model.
    kept = {each: _terms(before[each]) if ref else Terms() for each in features}
    terms = {each: kept[each].with_said(said) for each in features}
    found: list[FeatureView] = []
    for each, names in alike(terms).items():
        found += usecases.change_features(
            session,
            FeatureChange(
                features=names,
                provider=provider,
                default_ref=ref,
                allowed=each.allowed,
                is_locked=each.is_locked,
            ),
            catalog=catalog,
            actor=asked.caller.actor,
            now=asked.now,
        )
    return sorted(found, key=lambda view: features.index(view.name))


def _terms(view: FeatureView) -> Terms:
    setting = view.setting
    if setting is None:
        return Terms()
    allowed = None if setting.allowed is None else tuple(sorted(setting.allowed))
    return Terms(allowed=allowed, is_locked=setting.is_locked)


def _forgotten(session: Session, asked: Context, features: Sequence[str]) -> Sequence[FeatureView]:
    check_some(features)
    return usecases.reset_features(
        session, features, catalog=load_catalog(), actor=asked.caller.actor, now=asked.now
    )
