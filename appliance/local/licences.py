"""Licence work by who is logged in to the machine itself: whom to trust, and a first licence."""

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any, TypeVar

from appliance.accounts.usecases import get_user_named
from appliance.audit.rules import SYSTEM
from appliance.clock import utc_now
from appliance.licensing import usecases
from appliance.licensing.errors import LicenceUnreadableError
from appliance.licensing.rules import Licence
from appliance.opening import open_database
from appliance.settings import Settings
from appliance.storage.engine import Session
from appliance.storage.identity import read_identity
from gateway.contract.catalog import load_catalog

T = TypeVar("T")


def add(
    settings: Settings,
    *,
    authority_key: str | None,
    is_demo: bool,
    file: Path | None,
    seat_for: str | None,
) -> dict[str, Any]:
    """Trusts an authority, takes a licence and gives a user a seat in all that it buys.

    What is so already stays as it is; a licence that was removed is not added again.

    Raises:
        ApplianceError: one of the three cannot be; then none is.
    """
    now = utc_now()
    text = _read(file) if file is not None else None

    def work(session: Session) -> dict[str, Any]:
        created = []
        if authority_key is not None and usecases.pin_authority(
            session, authority_key, is_demo=is_demo, actor=SYSTEM, now=now
        ):
            created.append("licence_authority")
        if text is not None and not usecases.knows_licence(session, text):
            licence = usecases.add_licence(session, text, actor=SYSTEM, now=now)
            created.append("licence")
            if seat_for is not None and _give_seats(session, licence, seat_for, now=now):
                created.append("seats")
        return {**_state(session), "created": created}

    return _write(settings, work)


def show(settings: Settings) -> dict[str, Any]:
    """Who this instance is, whom it trusts, and which licences it has, newest first."""
    return _write(settings, _state)


def _state(session: Session) -> dict[str, Any]:
    trusted = usecases.trusted_authority(session)
    return {
        "instance_id": read_identity(session).instance_id,
        "authority": trusted.fingerprint if trusted is not None else None,
        "is_demo": trusted is not None and trusted.is_demo,
        "licences": [_show(licence) for licence in usecases.licences(session)],
    }


def _show(licence: Licence) -> dict[str, Any]:
    return {
        "serial": licence.serial,
        "is_demo": licence.is_demo,
        "counts": licence.counts,
        "ends_on": max(line.item.ends_at for line in licence.lines).date().isoformat(),
    }


def _give_seats(session: Session, licence: Licence, username: str, *, now: datetime) -> bool:
    user = get_user_named(session, username)
    add_ons = load_catalog().add_ons
    bought = {(line.add_on, line.root_namespace_id) for line in licence.lines}
    seated = [
        purchase
        for purchase in usecases.list_purchases(session, root_namespace_id=usecases.ALL)
        if (purchase.add_on, purchase.root_namespace_id) in bought
        and add_ons[purchase.add_on].has_seats
    ]
    for purchase in seated:
        usecases.give_seats(session, purchase.id, [user.id], actor=SYSTEM, given_by=None, now=now)
    return bool(seated)


def _read(file: Path) -> str:
    try:
        return file.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as cause:
        raise LicenceUnreadableError(reason=f"{file} cannot be read") from cause


def _write(settings: Settings, work: Callable[[Session], T]) -> T:
    db = open_database(settings)
    try:
        return db.write_blocking(work)
    finally:
        db.close()
