"""What the instance makes of the machine's clock, for who is logged in to the machine itself."""

from collections.abc import Callable
from typing import Any, TypeVar

from appliance.access_tokens.usecases import forgive_clock
from appliance.audit.rules import SYSTEM
from appliance.clock import utc_now
from appliance.errors import ApplianceError
from appliance.licensing import usecases
from appliance.opening import open_database
from appliance.settings import Settings
from appliance.storage.engine import Session

T = TypeVar("T")


def show(settings: Settings) -> dict[str, Any]:
    """The clock's time, the latest that was seen, and what is wrong with the two, if anything."""
    now = utc_now()

    def look(session: Session) -> dict[str, Any]:
        problem = None
        try:
            usecases.check_clock(session, now=now)
        except ApplianceError as error:
            problem = str(error)
        latest = usecases.licence_clock(session, now=now)
        return {"now": now.isoformat(), "latest": latest.isoformat(), "problem": problem}

    return _write(settings, look)


def accept(settings: Settings) -> dict[str, Any]:
    """Takes the clock's time for right, after it ran ahead and was set right.

    Purchases are judged from now on again, so what ended in the time that never was is back; all
    access tokens in hand are stale, since some may last until then.
    """
    now = utc_now()

    def work(session: Session) -> dict[str, Any]:
        before = usecases.reset_clock(session, actor=SYSTEM, now=now)
        forgive_clock(session, now=now)
        return {"before": before.isoformat() if before else None, "now": now.isoformat()}

    return _write(settings, work)


def _write(settings: Settings, work: Callable[[Session], T]) -> T:
    db = open_database(settings)
    try:
        return db.write_blocking(work)
    finally:
        db.close()
