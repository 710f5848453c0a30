"""What each action is given, as GraphQL has it, and what of it the action itself gets."""

from collections.abc import Mapping
from typing import Any

import strawberry
from strawberry import UNSET
from strawberry.scalars import JSON

from appliance.ai_actions.errors import OneActionError
from appliance.ai_actions.graphql.ids import (
    AiCatalogItemVersionID,
    AiConversationThreadID,
    AiModelID,
    MergeRequestID,
)
from appliance.ai_actions.graphql.names import (
    AiAdditionalContextCategory,
    AiConversationsThreadsConversationType,
)
from appliance.ai_actions.rules import ActionName
from appliance.ai_actions.rules.catalogue import ACTIONS, Action
from appliance.errors import InvalidFieldsError
from appliance.fields.global_ids import NamespaceID, ProjectID


@strawberry.input(description="The file that is open, and what is selected in it")
class AiCurrentFileInput:
    """What an editor shows."""

    file_name: str
    selected_text: str
    content_above_cursor: str | None = UNSET
    content_below_cursor: str | None = UNSET


@strawberry.input(description="Something that is added to a question")
class AiAdditionalContextInput:
    """Something that is added to a question."""

    category: AiAdditionalContextCategory
    id: str
    content: str
    metadata: JSON | None = UNSET


@strawberry.input(description="A question in a conversation")
class AiChatInput:
    """There are no agents here, so `agentVersionId` means nothing."""

    content: str
    resource_id: AiModelID | None = UNSET
    namespace_id: NamespaceID | None = UNSET
    agent_version_id: AiCatalogItemVersionID | None = UNSET
    current_file: AiCurrentFileInput | None = UNSET
    additional_context: list[AiAdditionalContextInput] | None = UNSET


@strawberry.input
class Asked:
    """What is said of any action: where its answer goes, and where it belongs."""

    client_subscription_id: str | None = UNSET
    conversation_type: AiConversationsThreadsConversationType | None = UNSET
    thread_id: AiConversationThreadID | None = UNSET
    platform_origin: str | None = UNSET
    project_id: ProjectID | None = UNSET
    root_namespace_id: NamespaceID | None = UNSET
    client_mutation_id: str | None = UNSET


# Numbers that are of a kind; their names are the same in every action.
_IDS: Mapping[str, object] = {
    "source_project_id": ProjectID,
    "vulnerable_merge_request_id": MergeRequestID,
}
_KINDS: Mapping[str, object] = {"text": str, "flag": bool, "number": int}
# What is more than the catalogue can say.
_BY_HAND: Mapping[ActionName, type] = {"chat": AiChatInput}


def _input_type(action: Action) -> type:
    """What an action is given, as its line in the catalogue says it."""
    types: dict[str, Any] = {"resource_id": AiModelID}
    types |= {name: _IDS.get(name, _KINDS[each.kind]) for name, each in action.inputs.items()}
    needed = {name for name, each in action.inputs.items() if each.is_required or each.is_said}
    if action.needs_resource:
        needed.add("resource_id")
    made = type(
        f"Ai{action.graphql_name[0].upper()}{action.graphql_name[1:]}Input",
        (),
        {
            "__annotations__": {
                name: each if name in needed else each | None for name, each in types.items()
            },
            **{name: UNSET for name in types if name not in needed},
        },
    )
    return strawberry.input(made, description=f"What {action.graphql_name} is given")


def _input_types() -> Mapping[ActionName, Any]:
    return {name: _BY_HAND.get(name) or _input_type(each) for name, each in ACTIONS.items()}


INPUT_TYPES = _input_types()
_CHOICE: dict[str, Any] = {"__annotations__": {n: each | None for n, each in INPUT_TYPES.items()}}
_CHOICE |= {n: strawberry.field(name=a.graphql_name, default=UNSET) for n, a in ACTIONS.items()}
AiActionInput: type[Asked] = strawberry.input(
    type("AiActionInput", (Asked,), _CHOICE),
    description="Exactly one action, and where its answer goes",
)


# Longer than any name that is made up at random, short enough to be kept for each request.
MAX_NAME_CHARS = 255
# More than any client nests what it sends along.
MAX_DEPTH = 20
# Said beside the action's own inputs, not among them.
_ABOUT = {"resource_id", "namespace_id", "agent_version_id"}


def checked_name(field: str, given: str | None) -> str | None:
    """A name that a client made up; None: it gave none.

    Raises:
        InvalidFieldsError: it is too long.
    """
    if given and len(given) > MAX_NAME_CHARS:
        raise InvalidFieldsError({field: f"must be at most {MAX_NAME_CHARS} characters"})
    return storable(given) or None if given else None


def chosen_action(asked: Asked) -> tuple[ActionName, Any]:
    """The one action that is asked for, with its input object.

    Raises:
        OneActionError: there is none, or more than one.
    """
    named = [(name, given) for name in ACTIONS if (given := getattr(asked, name))]
    if len(named) != 1:
        raise OneActionError
    return named[0]


def own_inputs(given: object) -> dict[str, Any]:
    """What an input object gives the action itself, as JSON can carry it; without what is null."""
    return {name: value for name, value in _plain(given).items() if name not in _ABOUT}


def _plain(given: object, *, depth: int = 0) -> dict[str, Any]:
    fields = strawberry.types.get_object_definition(given, strict=True).fields
    said = ((each.python_name, getattr(given, each.python_name)) for each in fields)
    return {
        name: _value(each, depth=depth + 1)
        for name, each in said
        if each is not None and each is not UNSET
    }


def _value(given: Any, *, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise InvalidFieldsError({"metadata": "is nested too deeply"})
    match given:
        case str():
            return storable(given)
        case AiAdditionalContextCategory():
            return given.value
        case list():
            return [_value(each, depth=depth + 1) for each in given]
        case dict():
            return {storable(str(n)): _value(each, depth=depth + 1) for n, each in given.items()}
        case _:
            is_input = strawberry.types.has_object_definition(given)
            return _plain(given, depth=depth) if is_input else given


def storable(text: str) -> str:
    """The same without what cannot be stored everywhere: zeros, and halves of characters."""
    return text.replace("\0", "").encode("utf-8", "replace").decode()
