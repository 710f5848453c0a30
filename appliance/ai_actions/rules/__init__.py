"""What may be asked, how answers are addressed, and what failures are called."""

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
]
