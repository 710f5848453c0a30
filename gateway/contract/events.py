"""What a gateway tells the instance of model calls: what was used, and whom it refused.

The gateway posts a `Batch` to `EVENTS_PATH` with the same assertion as the feed. A batch that was
answered may still come again, after a crash: the pair of gateway id and event id makes it count
once. Times are seconds since the epoch, durations milliseconds. Never what was asked or answered.
"""

from typing import Literal

import msgspec

EVENTS_PATH = "/api/v4/ai/gateway_feed/events"
EVENT_NAME = "ai_feature_used"
EVENT_CATEGORY = "ai_usage"
MAX_BATCH_EVENTS = 500

# `interrupted`: the gateway ended before it could say how the call went. `superseded`: the caller's
# rights were taken back while the model answered; only an instance that feeds that hears of it.
Outcome = Literal["answered", "refused_by_model", "failed", "aborted", "interrupted", "superseded"]


class UsageEvent(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One permitted model call; `event_id` is a ULID, unique within its gateway.

    `subject`, `issuer`, `namespace_id` and `root_namespace_id` are those of the access token.
    `status` is what the caller got, 499 for one who left, 0 for a call that was interrupted.
    """

    event_id: str
    happened_at: float
    request_id: str
    issuer: str
    subject: str
    feature: str
    unit_primitive: str
    provider: str
    model: str
    outcome: Outcome
    status: int
    namespace_id: int | None = None
    root_namespace_id: int | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    queue_ms: float | None = None
    first_token_ms: float | None = None
    duration_ms: float | None = None


class Decision(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One refusal with status 403, told once for each subject, reason and minute.

    `address` is where the request came from, if that was the reason.
    """

    decision_id: str
    happened_at: float
    issuer: str
    subject: str
    code: str
    unit_primitive: str
    namespace_id: int | None = None
    provider: str | None = None
    model: str | None = None
    address: str | None = None


class Batch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What is sent at once; at most `MAX_BATCH_EVENTS` of each kind."""

    events: tuple[UsageEvent, ...] = ()
    decisions: tuple[Decision, ...] = ()


class RefusedEvent(msgspec.Struct, frozen=True, kw_only=True):
    """An event that will never be counted, and why; sending it again changes nothing."""

    event_id: str
    reason: str


class Receipt(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The answer to a batch: all of it is dealt with, `refused` is what was not counted."""

    refused: tuple[RefusedEvent, ...] = ()
