"""What the instance says of features and leaves to groups, under the names of our own."""

from collections.abc import Sequence
from datetime import datetime
from enum import Enum

import strawberry

from appliance.fields.connections import Connection, asked_span, connected
from appliance.fields.resolving import field
from appliance.model_selection.graphql.models import (
    AiModelSelectionOfferedModel,
    model_named,
    shown_model,
)
from appliance.model_selection.graphql.names import AiFeatureProviders, AiFeatures
from appliance.model_selection.graphql.shelf import Shelf
from appliance.model_selection.rules import FeatureView


@strawberry.type(description="What the instance says of a feature, and leaves groups to choose")
class AiInstanceFeatureSetting:
    """A feature; `changed` is false for as long as what the gateway offers holds."""

    feature: Enum = strawberry.field(graphql_type=AiFeatures)
    title: str
    main_feature: str
    provider: AiFeatureProviders
    release_state: str
    changed: bool = strawberry.field(description="Whether an admin said something")
    default_model_ref: str | None = strawberry.field(
        description="The model that is set to be used where no group chooses"
    )
    default_model_name: str | None
    allowed_model_refs: list[str] | None = strawberry.field(
        description="What groups may choose from; null: every model that suits"
    )
    locked: bool = strawberry.field(description="Whether groups have no choice")
    problem: str | None = strawberry.field(description="Why the setting does not hold as it is")
    updated_at: datetime | None
    view: strawberry.Private[FeatureView]
    shelf: strawberry.Private[Shelf]

    @field(description="The model that is used where no group chooses; null: none is assigned")
    def effective_model(self) -> AiModelSelectionOfferedModel | None:
        """What is set, if it can be used."""
        model = self.view.default
        return None if model is None else shown_model(model, self.shelf)

    @field(description="The models that suit it, also those that cannot be used now")
    def offered_models(
        self,
        *,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> Connection[AiModelSelectionOfferedModel]:
        """By ref."""
        span = asked_span(first=first, after=after, last=last, before=before)
        return connected(self.view.models, span, lambda each: shown_model(each, self.shelf))

    @field(description="The models that groups may choose from")
    def selectable_models(self) -> list[AiModelSelectionOfferedModel]:
        """By ref."""
        return _models(sorted(self.view.offer.selectable), self.shelf)


def shown_setting(view: FeatureView, shelf: Shelf) -> AiInstanceFeatureSetting:
    """A feature."""
    setting, feature = view.setting, view.feature
    ref = view.offer.default if setting is None else setting.default_ref
    named = model_named(ref, shelf)
    allowed = None if setting is None else setting.allowed
    return AiInstanceFeatureSetting(
        feature=AiFeatures(view.name),
        title=feature.title,
        main_feature=feature.main_feature,
        provider=AiFeatureProviders(view.provider),
        release_state=feature.release_state,
        changed=setting is not None,
        default_model_ref=ref,
        default_model_name=None if named is None else named.name,
        allowed_model_refs=None if allowed is None else sorted(allowed),
        locked=view.offer.is_locked,
        problem=view.problem,
        updated_at=None if setting is None else setting.updated_at,
        view=view,
        shelf=shelf,
    )


def _models(refs: Sequence[str], shelf: Shelf) -> list[AiModelSelectionOfferedModel]:
    found = (model_named(ref, shelf) for ref in refs)
    return [each for each in found if each is not None]
