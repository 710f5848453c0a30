"""The latest time that was seen: purchases are judged at none before, and nothing is minted."""

from datetime import datetime, timedelta

from appliance.accounts.usecases import raise_generation
from appliance.audit.rules import Actor, Target
from appliance.audit.usecases import record
from appliance.licensing import rules, tables
from appliance.licensing.errors import ClockWentBackError
from appliance.storage.engine import Session
from gateway.contract.claims import LEEWAY_S

# What every verifier of our tokens forgives.
LEEWAY = timedelta(seconds=LEEWAY_S)


def licence_clock(session: Session, *, now: datetime) -> datetime:
    """The later of `now` and the latest time that was seen."""
    return rules.effective_time(now, tables.latest_time(session))


def clock_warning(session: Session, *, now: datetime) -> str | None:
    """A sentence when the machine's clock was set back."""
    return rules.clock_warning(now, tables.latest_time(session))


def check_clock(session: Session, *, now: datetime) -> None:
    """Passes unless the clock went back since a time was noted.

    Raises:
        ClockWentBackError: by more than verifiers forgive.
    """
    latest = tables.latest_time(session)
    if latest is not None and now < latest - LEEWAY:
        raise ClockWentBackError(now=now, latest=latest)


def note_time(session: Session, *, now: datetime) -> None:
    """Remembers that it was `now` once."""
    tables.note_time(session, now)


def reset_clock(session: Session, *, actor: Actor, now: datetime) -> datetime | None:
    """Takes `now` for the latest time, whatever was noted before, which is returned.

    For a clock that ran ahead and was set right; whoever does it answers for it in the log.
    """
    before = tables.latest_time(session)
    tables.set_time(session, now)
    details = {"before": before.isoformat() if before is not None else None}
    target = Target(kind="licence_clock", id="")
    record(session, "licence_clock_reset", actor=actor, target=target, details=details, now=now)
    raise_generation(session, None, now=now)
    return before
