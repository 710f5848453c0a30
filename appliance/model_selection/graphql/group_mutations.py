"""What owners can do with the models of their groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import strawberry

from appliance.accounts.rules import Access
from appliance.errors import InvalidFieldsError
from appliance.fields.resolving import Context, Info, mutation
from appliance.model_selection import usecases
from appliance.model_selection.graphql.choices import (
    AiModelSelectionNamespaceFeatureSetting,
    AiNamespaceFeatureSetting,
    shown_choice,
    shown_selection,
)
from appliance.model_selection.graphql.names import features_of, namespace_number
from appliance.model_selection.graphql.shelf import Shelf
from appliance.model_selection.graphql.wishes import (
    AiFeatureSettingUpdateInput,
    AiModelSelectionNamespaceUpdateInput,
    Said,
    Terms,
    alike,
    attempted,
    check_said,
    check_some,
    is_said,
)
from appliance.model_selection.rules import ChoiceChange, ChoiceView
from appliance.storage.engine import Session
from gateway.contract.catalog import load_catalog

# What use cases call things, and what clients do.
_NAMES = {"model": "offeredModelRef", "allowed_models": "allowedModelRefs"}


@strawberry.type(description="What came of it: `errors` is empty when all of it was done")
class AiNamespaceFeatureSettingUpdatePayload:
    """The features that were named, as the group sees them now; none if nothing was changed."""

    ai_feature_settings: list[AiNamespaceFeatureSetting]
    errors: list[str]
    client_mutation_id: str | None


@strawberry.type(description="What came of it: `errors` is empty when all of it was done")
class AiModelSelectionNamespaceUpdatePayload:
    """The features that were named, as the group sees them now; none if nothing was changed."""

    ai_feature_settings: list[AiModelSelectionNamespaceFeatureSetting]
    errors: list[str]
    client_mutation_id: str | None


@strawberry.type
class GroupModelsMutation:
    """What owners can do with the models of their groups."""

    @mutation(
        description="Sets which model a feature uses in a group and below; an empty "
        "`offeredModelRef` goes back to what the level above says",
        access=Access.API,
    )
    def ai_namespace_feature_setting_update(
        self,
        info: Info,
        wish: Annotated[AiFeatureSettingUpdateInput, strawberry.argument(name="input")],
    ) -> AiNamespaceFeatureSettingUpdatePayload | None:
        """What the groups below may choose from stays as it is if it is left out."""
        asked = info.context
        named = wish.namespace_id or ""
        number = namespace_number(named) if is_said(wish.namespace_id) else 0
        found, errors = attempted(
            asked,
            lambda session: _updated(session, asked, wish, number=number),
            names=_NAMES,
        )
        shelf = Shelf(asked, namespace_id=number)
        return AiNamespaceFeatureSettingUpdatePayload(
            ai_feature_settings=[shown_choice(each, shelf) for each in found or ()],
            errors=errors,
            client_mutation_id=wish.client_mutation_id or None,
        )

    @mutation(
        description="Sets which model features use in a group and below, for all of them or none",
        access=Access.API,
    )
    def ai_model_selection_namespace_update(
        self,
        info: Info,
        wish: Annotated[AiModelSelectionNamespaceUpdateInput, strawberry.argument(name="input")],
    ) -> AiModelSelectionNamespaceUpdatePayload | None:
        """An empty ref goes back to what the level above says."""
        asked, features = info.context, features_of(wish.features)
        place, ref = _Place(asked=asked, number=wish.group_id), wish.offered_model_ref

        def work(session: Session) -> Sequence[ChoiceView]:
            if ref:
                return _choose(session, place, features, ref=ref, said=Said())
            return _inherit(session, place, features)

        found, errors = attempted(asked, work, names=_NAMES)
        shelf = Shelf(asked, namespace_id=wish.group_id)
        return AiModelSelectionNamespaceUpdatePayload(
            ai_feature_settings=[shown_selection(each, shelf) for each in found or ()],
            errors=errors,
            client_mutation_id=wish.client_mutation_id or None,
        )


def _updated(
    session: Session, asked: Context, wish: AiFeatureSettingUpdateInput, *, number: int
) -> Sequence[ChoiceView]:
    check_said(
        wish,
        needed=("namespace_id", "feature"),
        foreign=("features", "provider", "ai_self_hosted_model_id"),
        belongs_to="aiFeatureSettingUpdate",
    )
    ref = wish.offered_model_ref
    if ref is strawberry.UNSET:
        problem = 'is required; "" goes back to what the level above says'
        raise InvalidFieldsError({"offeredModelRef": problem})
    said = Said(allowed=wish.allowed_model_refs, locked=wish.locked)
    place = _Place(asked=asked, number=number)
    features = features_of([wish.feature] if wish.feature else ())
    if ref:
        return _choose(session, place, features, ref=ref, said=said)
    said.check_silent("leave it out where offeredModelRef is empty")
    return _inherit(session, place, features)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    """Who wants something changed, and in which group."""

    asked: Context
    number: int


def _choose(
    session: Session, place: _Place, features: Sequence[str], *, ref: str, said: Said
) -> Sequence[ChoiceView]:
    check_some(features)
    user, now, catalog = place.asked.caller.user, place.asked.now, load_catalog()
    seen = usecases.list_choices(session, user, place.number, catalog=catalog, now=now)
    terms = {each.name: _terms(each).with_said(said) for each in seen if each.name in features}
    found: list[ChoiceView] = []
    for each, names in alike(terms).items():
        change = ChoiceChange(
            features=names, model_ref=ref, narrowed_to=each.allowed, is_locked=each.is_locked
        )
        found += usecases.change_choices(
            session, user, place.number, change, catalog=catalog, now=now
        )
    return sorted(found, key=lambda view: features.index(view.name))


def _inherit(session: Session, place: _Place, features: Sequence[str]) -> Sequence[ChoiceView]:
    check_some(features)
    asked = place.asked
    return usecases.reset_choices(
        session, asked.caller.user, place.number, features, catalog=load_catalog(), now=asked.now
    )


def _terms(view: ChoiceView) -> Terms:
    choice = view.choice
    if choice is None:
        return Terms()
    narrowed = choice.narrowed_to
    allowed = None if narrowed is None else tuple(sorted(narrowed))
    return Terms(allowed=allowed, is_locked=choice.is_locked)
