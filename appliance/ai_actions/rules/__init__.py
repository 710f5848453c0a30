"""What may be asked, how answers are addressed, and what failures are called."""

from appliance.ai_actions.rules.rights import NO_GROUP, code_of_check
from appliance.ai_actions.rules.values import (
    ENDED,
    ActionName,
    Address,
    Answer,
    ConversationType,
    Ended,
    Message,
    Placed,
    Request,
    RequestState,
    ResourceKind,
    ResourceRef,
    Role,
    Wish,
    addresses_of,
)

__all__ = [
    "ENDED",
    "NO_GROUP",
    "ActionName",
    "Address",
    "Answer",
    "ConversationType",
    "Ended",
    "Message",
    "Placed",
    "Request",
    "RequestState",
    "ResourceKind",
    "ResourceRef",
    "Role",
    "Wish",
    "addresses_of",
    "code_of_check",
]
