"""Lets registered gateways in, each assertion once, and looks at their clocks."""

from datetime import datetime, timedelta

from appliance.gateway_feed import rules, tables
from appliance.gateway_feed.errors import AssertionRefusedError, ClockRefusedError
from appliance.gateway_feed.rules import Gateway
from appliance.storage.engine import Session
from gateway.contract.challenge import Challenge, ChallengeAnswer

# What a good request told is not put in doubt by one that may be an old one, played again.
SKEW_HOLDS_FOR = timedelta(minutes=1)


def authenticate(
    session: Session, authorization: str | None, *, instance_id: str, now: datetime
) -> rules.AcceptedAssertion:
    """Verifies the assertion of a request; `use_assertion` must follow, in a write.

    Apart from that, because garbage must not cost the database's one writer anything.

    Raises:
        AssertionRefusedError: not a registered gateway that speaks now.
        ClockRefusedError: a registered one, by a clock that is off.
    """
    text, kid = rules.claimed_gateway(authorization)
    row = tables.gateway_row(session, kid)
    if row is None:
        raise AssertionRefusedError(reason="gateway_unknown")
    gateway = tables.gateway_of(row)
    return rules.check_assertion(text, gateway, instance_id=instance_id, now=now)


def use_assertion(
    session: Session, assertion: rules.AcceptedAssertion, *, now: datetime
) -> Gateway:
    """Takes a verified assertion, once; its gateway counts as seen.

    Raises:
        AssertionRefusedError: it was used before, or the gateway is gone meanwhile.
    """
    row = tables.gateway_row(session, assertion.gateway_id)
    if row is None:
        raise AssertionRefusedError(reason="gateway_unknown")
    if tables.is_used(session, assertion):
        raise AssertionRefusedError(reason="assertion_replayed")
    tables.note_used(session, assertion, now=now)
    row.last_seen_at = now
    session.flush()
    return tables.gateway_of(row)


def is_skew_known(session: Session, gateway_id: str, *, now: datetime) -> bool:
    """Whether that gateway's clock was looked at within the last minute."""
    row = tables.gateway_row(session, gateway_id)
    if row is None or row.skew_measured_at is None:
        return row is None
    return now - row.skew_measured_at < SKEW_HOLDS_FOR


def note_refused_clock(session: Session, refusal: ClockRefusedError, *, now: datetime) -> None:
    """Keeps why a gateway is refused, so that an admin sees which clock to set."""
    row = tables.gateway_row(session, refusal.gateway_id)
    if row is not None:
        tables.note_skew(row, refusal.skew_ms, now=now)


def challenge_is_answered(session: Session, answer: ChallengeAnswer, challenge: Challenge) -> bool:
    """Whether a registered gateway gave that answer to that challenge."""
    row = tables.gateway_row(session, answer.gateway_id)
    return row is not None and rules.is_answered(challenge, answer, tables.gateway_of(row))
