"""What gateways ask of the instance, what the set-up does for them, and what admins see."""

from appliance.gateway_feed.usecases.assertions import (
    authenticate,
    challenge_is_answered,
    is_skew_known,
    note_refused_clock,
    use_assertion,
)
from appliance.gateway_feed.usecases.documents import (
    Sources,
    Standpoint,
    Step,
    Wish,
    go_on,
    heartbeat,
    open_stream,
    read_feed,
)
from appliance.gateway_feed.usecases.gateways import (
    Follower,
    Registration,
    add_gateway,
    ensure_feed_key,
    ensure_gateway,
    feed_public_key,
    follower,
    followers,
    list_gateways,
    prune_outbox,
    remove_gateway,
)
from appliance.gateway_feed.usecases.introspection import introspect
from appliance.gateway_feed.usecases.reports import (
    kids_held,
    mark_streaming,
    state_of_model,
    store_report,
    take_batch,
)

__all__ = [
    "Follower",
    "Registration",
    "Sources",
    "Standpoint",
    "Step",
    "Wish",
    "add_gateway",
    "authenticate",
    "challenge_is_answered",
    "ensure_feed_key",
    "ensure_gateway",
    "feed_public_key",
    "follower",
    "followers",
    "go_on",
    "heartbeat",
    "introspect",
    "is_skew_known",
    "kids_held",
    "list_gateways",
    "mark_streaming",
    "note_refused_clock",
    "open_stream",
    "prune_outbox",
    "read_feed",
    "remove_gateway",
    "state_of_model",
    "store_report",
    "take_batch",
    "use_assertion",
]
