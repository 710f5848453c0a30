"""The time that purchases are judged at, which never goes back."""

from datetime import datetime

from appliance.licensing import rules, tables
from appliance.storage.engine import Session


def licence_clock(session: Session, *, now: datetime) -> datetime:
    """The later of `now` and the latest time that was seen."""
    return rules.effective_time(now, tables.latest_time(session))


def clock_warning(session: Session, *, now: datetime) -> str | None:
    """A sentence when the machine's clock was set back."""
    return rules.clock_warning(now, tables.latest_time(session))


def note_time(session: Session, *, now: datetime) -> None:
    """Remembers that it was `now` once."""
    tables.note_time(session, now)
