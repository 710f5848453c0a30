"""The global ids of what actions are about, and of conversations."""

import re
from collections.abc import Mapping
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from appliance.ai_actions.rules import ResourceKind, ResourceRef
from appliance.errors import NotFoundError
from appliance.fields.global_ids import (
    PREFIX,
    GlobalIdInvalidError,
    format_global_id,
    global_id_scalar,
)
from appliance.storage.engine import MAX_ID

AiModelID = NewType("AiModelID", ResourceRef)
AiConversationThreadID = NewType("AiConversationThreadID", int)
AiCatalogItemVersionID = NewType("AiCatalogItemVersionID", int)
MergeRequestID = NewType("MergeRequestID", int)

# The words that clients put between the prefix and the number.
_KINDS: Mapping[str, ResourceKind] = {
    "Issue": "Issue",
    "WorkItem": "Issue",
    "MergeRequest": "MergeRequest",
    "Project": "Project",
    "Group": "Group",
    "Namespace": "Group",
    "Ci::Build": "Job",
    "Job": "Job",
    "Vulnerability": "Vulnerability",
    "User": "User",
}
_WORDS: Mapping[ResourceKind, str] = {"Job": "Ci::Build"}
_EXAMPLE = "Issue"
# Wider than what can be here: whoever guesses hears the same of every number.
_NAMED = re.compile(re.escape(PREFIX) + r"([A-Za-z]+(?:::[A-Za-z]+)*)/([0-9]{1,64})")


def parse_resource(text: object) -> ResourceRef:
    """What a global id names.

    Raises:
        GlobalIdInvalidError: it is none.
        NotFoundError: of that kind, or with that number, there can be nothing here.
    """
    match = _NAMED.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        raise GlobalIdInvalidError(_EXAMPLE)
    kind = _KINDS.get(match[1])
    if kind is None or not 1 <= int(match[2]) <= MAX_ID:
        raise NotFoundError(what="Resource")
    return ResourceRef(kind=kind, id=int(match[2]))


def format_resource(resource: ResourceRef) -> str:
    """The global id of a resource."""
    return format_global_id(_WORDS.get(resource.kind, resource.kind), resource.id)


def _parse(value: Any) -> AiModelID:
    return AiModelID(parse_resource(value))


scalars: Mapping[object, ScalarDefinition] = {
    AiModelID: strawberry.scalar(
        name="AiModelID",
        description=f"A global id such as {format_global_id(_EXAMPLE, 1)}",
        serialize=format_resource,
        parse_value=_parse,
    ),
    AiConversationThreadID: global_id_scalar("AiConversationThreadID", "Ai::Conversation::Thread"),
    AiCatalogItemVersionID: global_id_scalar("AiCatalogItemVersionID", "Ai::Catalog::ItemVersion"),
    MergeRequestID: global_id_scalar("MergeRequestID", "MergeRequest"),
}
