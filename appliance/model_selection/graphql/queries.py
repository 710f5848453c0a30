"""What can be asked about models and who chose which."""

import strawberry

from appliance.accounts.rules import Access
from appliance.errors import NotFoundError
from appliance.fields.connections import Connection, asked_span, connected
from appliance.fields.global_ids import GroupID
from appliance.fields.resolving import Info, field
from appliance.model_selection.graphql.choices import (
    AiModelSelectionNamespaceFeatureSetting,
    AiNamespaceFeatureSetting,
    shown_choice,
    shown_selection,
)
from appliance.model_selection.graphql.models import (
    AiFeatureSetting,
    AiSelfHostedModel,
    features_with,
    shown,
    shown_registration,
)
from appliance.model_selection.graphql.names import (
    INSTANCE_ONLY,
    SelfHostedModelID,
    namespace_number,
)
from appliance.model_selection.graphql.settings import AiInstanceFeatureSetting, shown_setting
from appliance.model_selection.graphql.shelf import Shelf
from appliance.self_hosted_models.rules import SelfHostedModel


@strawberry.type
class InstanceModelsQuery:
    """What an admin can ask about models and features."""

    @field(description="The models that the organisation runs itself", access=Access.ADMIN)
    def ai_self_hosted_models(
        self,
        info: Info,
        *,
        id: SelfHostedModelID | None = strawberry.UNSET,  # noqa: A002  # GitLab's name
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> Connection[AiSelfHostedModel] | None:
        """Oldest first; with `id` that one alone."""
        shelf = Shelf(info.context)
        span = asked_span(first=first, after=after, last=last, before=before)
        found = [_model(shelf, id)] if id else list(shelf.registered.values())
        return connected(found, span, lambda each: shown_registration(each, shelf))

    @field(description="What the instance says of each feature", access=Access.ADMIN)
    def ai_feature_settings(
        self,
        info: Info,
        *,
        self_hosted_model_id: SelfHostedModelID | None = strawberry.UNSET,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> Connection[AiFeatureSetting] | None:
        """In the catalogue's order; with a model those that use it."""
        shelf = Shelf(info.context)
        span = asked_span(first=first, after=after, last=last, before=before)
        found = list(shelf.features.values())
        if self_hosted_model_id:
            found = list(features_with(shelf, _model(shelf, self_hosted_model_id).ref))
        return connected(found, span, lambda each: shown(each, shelf))

    @field(
        description="What the instance says of each feature: the default, and what groups may "
        "choose from",
        access=Access.ADMIN,
    )
    def ai_instance_feature_settings(
        self,
        info: Info,
        *,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> Connection[AiInstanceFeatureSetting] | None:
        """In the catalogue's order."""
        shelf = Shelf(info.context)
        span = asked_span(first=first, after=after, last=last, before=before)
        found = list(shelf.features.values())
        return connected(found, span, lambda each: shown_setting(each, shelf))


@strawberry.type
class GroupModelsQuery:
    """What members can ask about the models of their groups."""

    @field(description="Each feature as a group sees it; for its members", access=Access.API)
    def ai_namespace_feature_settings(
        self,
        info: Info,
        *,
        namespace_id: strawberry.ID,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> Connection[AiNamespaceFeatureSetting] | None:
        """The group by its number or global id; features in the catalogue's order."""
        number = namespace_number(namespace_id)
        span = asked_span(first=first, after=after, last=last, before=before)
        shelf = Shelf(info.context, namespace_id=number)
        return connected(shelf.choices, span, lambda each: shown_choice(each, shelf))

    @field(
        description="Each feature that a group chooses for, as it sees it; for its members",
        access=Access.API,
    )
    def ai_model_selection_namespace_settings(
        self,
        info: Info,
        *,
        group_id: GroupID,
        first: int | None = strawberry.UNSET,
        after: str | None = strawberry.UNSET,
        last: int | None = strawberry.UNSET,
        before: str | None = strawberry.UNSET,
    ) -> Connection[AiModelSelectionNamespaceFeatureSetting] | None:
        """In the catalogue's order."""
        span = asked_span(first=first, after=after, last=last, before=before)
        shelf = Shelf(info.context, namespace_id=group_id)
        found = [each for each in shelf.choices if each.name != INSTANCE_ONLY]
        return connected(found, span, lambda each: shown_selection(each, shelf))


def _model(shelf: Shelf, number: int) -> SelfHostedModel:
    for each in shelf.registered.values():
        if each.id == number:
            return each
    raise NotFoundError(what="Self-Hosted Model")
