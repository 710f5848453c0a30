"""Refusals as a gateway told them: which are kept, for how long, and what they come to now."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from appliance.explanations.rules.values import Explanation
from gateway.contract.codes import Code
from gateway.contract.events import Decision
from gateway.contract.ulids import is_ulid

RETENTION = timedelta(days=30)
# How far a gateway's clock may be ahead of ours.
MAX_AHEAD = timedelta(minutes=5)
MAX_TEXT_CHARS = 255
MAX_ID = 2**31 - 1

HEADERS_DECIDE = (
    "The request named a group in its headers that its access token was not for; whether that is "
    "still so depends on what the client sends."
)
ADDRESS_DECIDES = (
    "The request came from an address that the model's allow-list did not have; the audit log's "
    "entry of the refusal names it. Ask with that `address` how it would be answered now."
)
NAME_DECIDES = (
    "The model that the request got may not be named any more; one that names none gets the model "
    "of the feature, and whether it did is not kept."
)
NOTES: dict[str, str] = {
    Code.NAMESPACE_NOT_GRANTED: HEADERS_DECIDE,
    Code.ADDRESS_NOT_ALLOWED: ADDRESS_DECIDES,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordedDecision:
    """A refusal that a gateway told; `user_id` None: its token was of nobody who is known here."""

    decision_id: str
    gateway_id: str
    happened_at: datetime
    user_id: int | None
    subject: str
    namespace_id: int | None
    code: str
    unit_primitive: str
    provider: str | None
    model: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recollection:
    """A refusal, and how the same would be answered now; None when that cannot be told."""

    decision: RecordedDecision
    explanation: Explanation | None

    @property
    def would_still_be_refused(self) -> bool | None:
        """Whether a new access token would meet the same end; None when nobody can say."""
        if self.explanation is None or self.explanation.verdict == "unknown":
            return None
        if self.explanation.verdict == "permitted" and self.note == HEADERS_DECIDE:
            return None
        if self.note == NAME_DECIDES:
            return None
        return self.explanation.verdict == "refused"

    @property
    def note(self) -> str | None:
        """What the explanation cannot see."""
        now_is = None if self.explanation is None else self.explanation.code
        if now_is == Code.MODEL_NOT_SELECTABLE != self.decision.code:
            return NAME_DECIDES
        return NOTES.get(self.decision.code)


def recorded(decision: Decision, gateway_id: str, user_id: int | None) -> RecordedDecision:
    """A decision without a problem, as it is kept."""
    return RecordedDecision(
        decision_id=decision.decision_id,
        gateway_id=gateway_id,
        happened_at=datetime.fromtimestamp(decision.happened_at, UTC),
        user_id=user_id,
        subject=decision.subject,
        namespace_id=decision.namespace_id,
        code=decision.code,
        unit_primitive=decision.unit_primitive,
        provider=decision.provider,
        model=decision.model,
    )


def problem_of(decision: Decision, *, now: datetime) -> str | None:
    """Why a decision will never be kept; None when it will."""
    # Compared as numbers: not every float is a moment, and none of those lies in between.
    if not decision.happened_at <= (now + MAX_AHEAD).timestamp():
        return "it happened in the future"
    if decision.happened_at <= (now - RETENTION).timestamp():
        return "it is older than what is kept"
    if not is_ulid(decision.decision_id):
        return "its id is not a ULID"
    needed = (decision.subject, decision.code)
    said = (decision.provider, decision.model, decision.address)
    texts = (*needed, decision.unit_primitive, *(text or "" for text in said))
    if not all(needed) or not all(_is_plain(text) for text in texts):
        return "a text is missing, too long or not printable"
    if decision.namespace_id is not None and not 0 < decision.namespace_id <= MAX_ID:
        return "the group's number is none"
    return None


def _is_plain(text: str) -> bool:
    return len(text) <= MAX_TEXT_CHARS and text.isprintable()
