"""Which models who asks may use in chat, as editors and command lines ask for it."""

import strawberry

from appliance.accounts.rules import Access
from appliance.feature_flags.usecases import enabled_flags
from appliance.fields.global_ids import GroupID, ProjectID
from appliance.fields.resolving import Context, Info, field
from appliance.model_selection import usecases
from appliance.model_selection.graphql.models import AiModelSelectionOfferedModel, model_named
from appliance.model_selection.graphql.shelf import Shelf
from appliance.namespaces.usecases import default_namespace
from appliance.storage.engine import Session
from gateway.contract.catalog import load_catalog
from gateway.contract.selection import SWITCHING_FLAG, Effective

# The chat that such clients run their tools in.
CHAT = "duo_agent_platform_agentic_chat"


@strawberry.type(description="The models that who asks may use in chat")
class AiChatAvailableModels:
    """`pinned_model` leaves no choice, where there is one."""

    default_model: AiModelSelectionOfferedModel | None
    pinned_model: AiModelSelectionOfferedModel | None
    selectable_models: list[AiModelSelectionOfferedModel]


@strawberry.type
class ChatModelsQuery:
    """What users can ask about the models of chat."""

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
        number = root_namespace_id or asked.read(
            lambda session: _group_of(session, asked, project_id or None)
        )
        shelf = Shelf(asked, namespace_id=number)
        if number is None:
            return _available(asked.read(lambda session: _of_instance(session, asked)), shelf)
        here = next(each.here for each in shelf.choices if each.name == CHAT)
        return _available(here, shelf)


def _group_of(session: Session, asked: Context, project_id: int | None) -> int | None:
    user, now = asked.caller.user, asked.now
    if project_id is not None:
        return asked.models.project_namespace(session, user, project_id, now)
    group = default_namespace(session, user, now=now)
    return None if group is None else group.id


def _of_instance(session: Session, asked: Context) -> Effective:
    flags = enabled_flags(session, user=asked.caller.user, namespaces=())
    may_switch = SWITCHING_FLAG in flags
    catalog = load_catalog()
    return usecases.effective_in(session, None, catalog=catalog, may_switch=may_switch)[CHAT]


def _available(here: Effective, shelf: Shelf) -> AiChatAvailableModels:
    default = model_named(here.model, shelf)
    found = (model_named(ref, shelf) for ref in sorted(here.selectable))
    return AiChatAvailableModels(
        default_model=default,
        pinned_model=default if here.is_locked else None,
        selectable_models=[each for each in found if each is not None],
    )
