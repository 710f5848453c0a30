"""Looks after the database itself: its form, copies of it, and putting one back."""

import time
from pathlib import Path
from typing import Any

from appliance.accounts.usecases import raise_generation
from appliance.audit import usecases as audit
from appliance.audit.rules import SYSTEM
from appliance.clock import utc_now
from appliance.errors import ApplianceError
from appliance.local.audit import APPLIANCE
from appliance.settings import Settings
from appliance.storage import rehearsal, snapshots
from appliance.storage.engine import database_url, with_password
from appliance.storage.migrations import SCHEMA_GENERATION


class AuditBrokenError(ApplianceError):
    """The audit log of a database is not as it was written."""

    code = "audit_broken"

    def __init__(self, reason: str | None) -> None:
        super().__init__(f"The audit log is not as it was written: {reason}")


def generation(settings: Settings) -> dict[str, Any]:
    """The form that this release knows, and the database's, None where none can be read.

    Raises:
        DatabaseUnavailableError: it does not answer, or not in time.
    """
    return {
        "generation": SCHEMA_GENERATION,
        "database": snapshots.readable_generation(_url(settings)),
    }


def rehearse(settings: Settings) -> dict[str, Any]:
    """Tries the migrations on a copy, and looks whether what comes out is whole.

    Raises:
        ApplianceError: what starting this release would fail with.
    """
    began = time.monotonic()
    done, verdict = rehearsal.rehearse(_url(settings), audit.verify)
    if not verdict.is_intact:
        raise AuditBrokenError(verdict.reason)
    seconds = round(time.monotonic() - began, 3)
    return {"from": done.before, "to": done.after, "seconds": seconds}


def check(settings: Settings) -> dict[str, Any]:
    """Whether the database is whole; `problems` has a sentence for what is not.

    It is `lost` where there is none, or none that can be read.

    Raises:
        DatabaseUnavailableError: it does not answer, or not in time.
    """
    problems = rehearsal.problems(_url(settings))
    is_lost = bool(problems) and snapshots.is_lost(_url(settings))
    return {"ok": not problems, "problems": list(problems), "lost": is_lost}


def snapshot(settings: Settings, file: Path) -> dict[str, Any]:
    """Writes everything the database holds into one file, while it is worked with.

    Raises:
        ApplianceError: it cannot be read, or there is no room.
    """
    return {"generation": snapshots.take(_url(settings), file), "bytes": file.stat().st_size}


def restore(settings: Settings, file: Path) -> dict[str, Any]:
    """Puts a snapshot in the place of what the database holds; all of it or nothing.

    Access tokens in hand become stale, gateways take everything anew, and the log tells of it.

    Raises:
        ApplianceError: the snapshot cannot be used, or the database cannot be changed.
    """
    now = utc_now()
    with snapshots.restored(_url(settings), file) as (session, facts):
        if facts["epoch"] is not None:
            raise_generation(session, None, now=now)
            told = {name: facts[name] for name in ("epoch", "replaced", "audit_log")}
            audit.record(
                session, "backup_restored", actor=SYSTEM, target=APPLIANCE, details=told, now=now
            )
        verdict = audit.verify(session)
        if not verdict.is_intact:
            raise AuditBrokenError(verdict.reason)
    return facts


def put_back(settings: Settings, file: Path) -> dict[str, Any]:
    """Makes the database what it was when the snapshot was taken of it, whatever it is by now.

    What was revoked or given since is not known afterwards; no access token becomes stale.

    Raises:
        ApplianceError: the database cannot be used.
    """
    return {"epoch": snapshots.put_back(_url(settings), file)}


def _url(settings: Settings) -> Any:
    return with_password(database_url(settings.database), settings.database_password_file)
