"""The audit log for who is logged in to the machine itself: looking it through, adding to it."""

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from appliance.audit import usecases
from appliance.audit.rules import SYSTEM, Target, Verdict
from appliance.clock import utc_now
from appliance.errors import InvalidFieldsError
from appliance.opening import open_database
from appliance.settings import Settings

# What the program that looks after this machine may tell of itself.
EVENTS = (
    "bundle_applied",
    "bundle_rolled_back",
    "unsigned_bundle_allowed",
    "backup_made",
    "backup_restored",
    "support_file_made",
    "appliance_removed",
)
MOST_CHARS = 100_000
APPLIANCE = Target(kind="appliance", id="")


def verify(settings: Settings) -> Verdict:
    """Walks the whole log in the database itself, whether or not the instance runs."""
    with closing(open_database(settings)) as db:
        return db.read_blocking(usecases.verify)


def record(settings: Settings, event: str, facts: Mapping[str, Any]) -> None:
    """Adds what was done to the appliance as a whole; the facts hold no secret.

    Raises:
        InvalidFieldsError: facts that are too long.
    """
    if len(str(facts)) > MOST_CHARS:
        raise InvalidFieldsError({"facts": f"must be shorter than {MOST_CHARS} characters"})
    with closing(open_database(settings)) as db:
        db.write_blocking(
            lambda session: usecases.record(
                session, event, actor=SYSTEM, target=APPLIANCE, details=facts, now=utc_now()
            )
        )
