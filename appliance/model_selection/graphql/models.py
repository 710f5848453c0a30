"""Models, and what the instance says of features, as GraphQL's clients see them.

One module, since each of the two kinds of things names the other.
"""

from collections.abc import Sequence
from datetime import datetime

import strawberry

from appliance.fields.connections import Connection, asked_span, connected
from appliance.fields.resolving import field
from appliance.model_selection.graphql.names import (
    AiSelfHostedModelReleaseState,
    SelfHostedModelID,
    release_state,
)
from appliance.model_selection.graphql.shelf import Shelf
from appliance.model_selection.rules import FeatureView, SelectableModel
from appliance.self_hosted_models.rules import SelfHostedModel

# Answered in place of an API key that is stored; sent back, it leaves that key as it is.
MASK = "********"


@strawberry.type(description="A model that can be chosen, wherever it comes from")
class AiModelSelectionOfferedModel:
    """A model of the pool."""

    ref: str = strawberry.field(description="What it is named by everywhere")
    name: str
    model_provider: str = strawberry.field(description="Who runs it")
    model_description: str | None
    cost_indicator: str | None
    release_state: AiSelfHostedModelReleaseState
    problem: str | None = strawberry.field(description="Why it cannot be used now")
    shelf: strawberry.Private[Shelf]

    @field(description="Whether what is owned here entitles to models of this provider")
    def entitled(self) -> bool:
        """In the group that was asked about, or for the instance."""
        return self.not_entitled_reason() is None

    @field(description="Why not, where it does not")
    def not_entitled_reason(self) -> str | None:
        """A sentence that says what would have to be owned."""
        nobody = f"Nothing that is owned entitles to models of {self.model_provider}."
        return self.shelf.why_not_entitled.get(self.model_provider, nobody)


@strawberry.type(description="A model that the organisation runs itself")
class AiSelfHostedModel:
    """A registration; its API key never comes out."""

    id: SelfHostedModelID
    ref: str = strawberry.field(description="What it is named by everywhere")
    name: str
    model: str = strawberry.field(description="Its family")
    model_display_name: str
    endpoint: str
    endpoints: list[str] = strawberry.field(description="All of them, the main one first")
    identifier: str | None = strawberry.field(description="What its endpoint calls it")
    api_token: str | None = strawberry.field(description="A mask, where an API key is stored")
    has_api_token: bool
    release_state: AiSelfHostedModelReleaseState
    provider: str
    allowed_cidrs: list[str] = strawberry.field(
        description="The networks of the clients that may use it; none: all"
    )
    max_in_flight: int | None = strawberry.field(
        description="How many requests one gateway may have open at it"
    )
    enabled: bool
    created_at: datetime
    updated_at: datetime
    shelf: strawberry.Private[Shelf]

    @field(description="What gateways say of it: ready, unreachable, or nothing yet")
    def state(self) -> str | None:
        """Of those that are there."""
        return self.shelf.states.get(self.ref)

    @field(description="The features that it is the model of, for the whole instance")
    def feature_settings(
        self,
        *,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> Connection["AiFeatureSetting"]:
        """In the catalogue's order."""
        span = asked_span(first=first, after=after, last=last, before=before)
        shelf = self.shelf
        return connected(features_with(shelf, self.ref), span, lambda each: shown(each, shelf))


@strawberry.type(description="What the instance says of a feature")
class AiFeatureSetting:
    """A feature, and the model that it uses where no group chose another."""

    feature: str
    title: str | None
    main_feature: str | None
    provider: str
    release_state: str | None
    compatible_llms: list[str] | None = strawberry.field(
        description="The families of models that suit it"
    )
    view: strawberry.Private[FeatureView]
    shelf: strawberry.Private[Shelf]

    @field(description="Its model, if that is a self-hosted one")
    def self_hosted_model(self) -> AiSelfHostedModel | None:
        """The one that is used."""
        model = self.view.default
        found = None if model is None else self.shelf.registered.get(model.ref)
        return None if found is None else shown_registration(found, self.shelf)

    @field(description="Its model, if that is one which a gateway brings")
    def gitlab_model(self) -> AiModelSelectionOfferedModel | None:
        """The one that is used."""
        model = self.view.default
        return shown_model(model, self.shelf) if model and model.kind == "offered" else None

    @field(description="The model that the gateway brings as this feature's default")
    def default_gitlab_model(self) -> AiModelSelectionOfferedModel | None:
        """Used where nothing else is set."""
        return model_named(self.shelf.pool.offered_default(self.feature), self.shelf)

    @field(description="The self-hosted models that suit it")
    def valid_models(
        self,
        *,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> Connection[AiSelfHostedModel]:
        """Those that can be used now, by ref."""
        span = asked_span(first=first, after=after, last=last, before=before)
        known = self.shelf.registered
        found = [known[each.ref] for each in _usable(self.view) if each.ref in known]
        return connected(found, span, lambda each: shown_registration(each, self.shelf))

    @field(description="The models that suit it of those which a gateway brings")
    def valid_gitlab_models(
        self,
        *,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> Connection[AiModelSelectionOfferedModel]:
        """Those that can be used now, by ref."""
        span = asked_span(first=first, after=after, last=last, before=before)
        found = [each for each in _usable(self.view) if each.kind == "offered"]
        return connected(found, span, lambda each: shown_model(each, self.shelf))


def shown_model(model: SelectableModel, shelf: Shelf) -> AiModelSelectionOfferedModel:
    """A model of the pool."""
    return AiModelSelectionOfferedModel(
        ref=model.ref,
        name=model.name,
        model_provider=model.provider,
        model_description=model.description,
        cost_indicator=model.cost_indicator,
        release_state=release_state(model.release_state),
        problem=model.why_unusable,
        shelf=shelf,
    )


def model_named(ref: str | None, shelf: Shelf) -> AiModelSelectionOfferedModel | None:
    """The model of the pool that has the ref, if there is one."""
    found = None if ref is None else shelf.pool.models.get(ref)
    return None if found is None else shown_model(found, shelf)


def shown_registration(model: SelfHostedModel, shelf: Shelf) -> AiSelfHostedModel:
    """A self-hosted model."""
    family = shelf.catalog.model_families[model.family]
    return AiSelfHostedModel(
        id=SelfHostedModelID(model.id),
        ref=model.ref,
        name=model.name,
        model=model.family,
        model_display_name=family.title,
        endpoint=model.endpoint,
        endpoints=list(model.endpoints),
        identifier=model.identifier,
        api_token=MASK if model.has_api_key else None,
        has_api_token=model.has_api_key,
        release_state=release_state(family.release_state),
        provider=model.provider,
        allowed_cidrs=list(model.allowed_networks),
        max_in_flight=model.max_in_flight,
        enabled=model.is_enabled,
        created_at=model.created_at,
        updated_at=model.updated_at,
        shelf=shelf,
    )


def shown(view: FeatureView, shelf: Shelf) -> AiFeatureSetting:
    """What the instance says of a feature."""
    return AiFeatureSetting(
        feature=view.name,
        title=view.feature.title,
        main_feature=view.feature.main_feature,
        provider=view.provider,
        release_state=view.feature.release_state,
        compatible_llms=list(view.feature.model_families),
        view=view,
        shelf=shelf,
    )


def features_with(shelf: Shelf, ref: str) -> Sequence[FeatureView]:
    """The features that use the model where no group chose another."""
    return [
        each
        for each in shelf.features.values()
        if each.default is not None and each.default.ref == ref
    ]


def _usable(view: FeatureView) -> Sequence[SelectableModel]:
    return [each for each in view.models if each.why_unusable is None]
