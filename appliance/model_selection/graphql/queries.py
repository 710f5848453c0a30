"""What can be asked about models and who chose which."""

from collections.abc import Sequence

import strawberry

from appliance.accounts.rules import Access
from appliance.errors import NotFoundError
from appliance.feature_flags.usecases import enabled_flags
from appliance.fields.connections import Connection, asked_span, connected
from appliance.fields.global_ids import GroupID, ProjectID
from appliance.fields.resolving import Context, Info, field
from appliance.model_selection import usecases
from appliance.model_selection.graphql.choices import (
    AiChatAvailableModels,
    AiModelSelectionNamespaceFeatureSetting,
    AiNamespaceFeatureSetting,
    shown_choice,
    shown_selection,
)
from appliance.model_selection.graphql.models import (
    AiFeatureSetting,
    AiSelfHostedModel,
    features_with,
    model_named,
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
from appliance.model_selection.rules import ChoiceView
from appliance.namespaces.usecases import default_namespace
from appliance.self_hosted_models.rules import SelfHostedModel
from appliance.storage.engine import Session
from gateway.contract.selection import SWITCHING_FLAG, Effective

CHAT = "duo_agent_platform_agentic_chat"


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
        found = _choices(info.context, number)
        return connected(found, span, lambda each: shown_choice(each, shelf))

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
        found = [each for each in _choices(info.context, group_id) if each.name != INSTANCE_ONLY]
        return connected(found, span, lambda each: shown_selection(each, shelf))

    @field(
        description="The models that who asks may use in chat: in the group of a project, in a "
        "group, or in their default group",
        access=Access.SELF,
    )
    def ai_chat_available_models(
        self,
        info: Info,
        *,
        project_id: ProjectID | None = strawberry.UNSET,
        root_namespace_id: GroupID | None = strawberry.UNSET,
    ) -> AiChatAvailableModels | None:
        """Without any group what the instance says."""
        asked = info.context
        number: int | None = root_namespace_id or None
        if project_id:
            number = asked.read(
                lambda session: asked.models.project_namespace(
                    session, asked.caller.user, project_id, asked.now
                )
            )
        elif number is None:
            number = asked.read(lambda session: _own_group(session, asked))
        shelf = Shelf(asked, namespace_id=number)
        return _available(_chat(asked, shelf, number), shelf)


def _model(shelf: Shelf, number: int) -> SelfHostedModel:
    for each in shelf.registered.values():
        if each.id == number:
            return each
    raise NotFoundError(what="Self-Hosted Model")


def _choices(asked: Context, number: int) -> Sequence[ChoiceView]:
    user, now = asked.caller.user, asked.now
    catalog = Shelf(asked).catalog
    return asked.read(
        lambda session: usecases.list_choices(session, user, number, catalog=catalog, now=now)
    )


def _own_group(session: Session, asked: Context) -> int | None:
    group = default_namespace(session, asked.caller.user, now=asked.now)
    return None if group is None else group.id


def _chat(asked: Context, shelf: Shelf, number: int | None) -> Effective:
    if number is not None:
        return next(each.here for each in _choices(asked, number) if each.name == CHAT)
    found = asked.read(
        lambda session: usecases.effective_in(
            session,
            None,
            catalog=shelf.catalog,
            may_switch=SWITCHING_FLAG
            in enabled_flags(session, user=asked.caller.user, namespaces=()),
        )
    )
    return found[CHAT]


def _available(here: Effective, shelf: Shelf) -> AiChatAvailableModels:
    default = model_named(here.model, shelf)
    found = (model_named(ref, shelf) for ref in sorted(here.selectable))
    return AiChatAvailableModels(
        default_model=default,
        pinned_model=default if here.is_locked else None,
        selectable_models=[each for each in found if each is not None],
    )
