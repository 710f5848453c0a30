"""Looks the audit log through, by who is logged in to the machine itself."""

from contextlib import closing

from appliance.audit import usecases
from appliance.audit.rules import Verdict
from appliance.opening import open_database
from appliance.settings import Settings


def verify(settings: Settings) -> Verdict:
    """Walks the whole log in the database itself, whether or not the instance runs."""
    with closing(open_database(settings)) as db:
        return db.read_blocking(usecases.verify)
