"""What is told and read of weaknesses that were found."""

from dataclasses import asdict
from datetime import datetime
from typing import Any

from appliance.accounts.rules import User
from appliance.errors import NotFoundError
from appliance.resources import tables
from appliance.resources.rules import Place, Vulnerability, VulnerabilityChange
from appliance.resources.rules.vulnerabilities import (
    REMOVES_VULNERABILITIES,
    SEES_VULNERABILITIES,
    check_vulnerability,
)
from appliance.resources.tables.vulnerabilities import VulnerabilityRow, vulnerability_of
from appliance.resources.usecases.places import note_removal, place_of
from appliance.storage.engine import Session
from appliance.storage.paging import Page, Slice

WHAT = "Vulnerability"
PLAIN = ("title", "description", "severity", "report_type", "state", "solution", "source_code")


def visible_vulnerability(
    session: Session, user: User, vulnerability_id: int, *, now: datetime
) -> Vulnerability:
    """One vulnerability as far as the user may know of it.

    Raises:
        NotFoundError: no such vulnerability, or not for this user.
    """
    return vulnerability_of(_row_for(session, user, vulnerability_id, now=now)[0])


def list_vulnerabilities_at(session: Session, place: Place, page: Page) -> Slice[Vulnerability]:
    """A page of a project's vulnerabilities, newest first.

    Raises:
        AccessLevelNeededError: the user's role does not reach.
    """
    place.check(SEES_VULNERABILITIES)
    return tables.vulnerabilities.vulnerability_page(session, page, place.project.id)


def create_vulnerability(
    session: Session, place: Place, new: VulnerabilityChange, *, now: datetime
) -> Vulnerability:
    """Tells of a vulnerability.

    Raises:
        AccessLevelNeededError: the user's role does not reach.
        InvalidFieldsError: a field is missing or cannot be used.
    """
    place.check(SEES_VULNERABILITIES)
    check_vulnerability(new, is_new=True)
    row = VulnerabilityRow(
        project_id=place.project.id,
        author_id=place.user.id,
        created_at=now,
        updated_at=now,
        **{"state": "detected", **_said(new)},
    )
    session.add(row)
    session.flush()
    return vulnerability_of(row)


def change_vulnerability(
    session: Session,
    user: User,
    vulnerability_id: int,
    *,
    change: VulnerabilityChange,
    now: datetime,
) -> Vulnerability:
    """Changes what `change` names.

    Raises:
        NotFoundError: no such vulnerability, or not for this user.
        InvalidFieldsError: a field cannot be used.
    """
    row, _ = _row_for(session, user, vulnerability_id, now=now)
    check_vulnerability(change, is_new=False)
    for field, value in _said(change).items():
        setattr(row, field, value)
    row.updated_at = now
    session.flush()
    return vulnerability_of(row)


def delete_vulnerability(
    session: Session, user: User, vulnerability_id: int, *, now: datetime
) -> None:
    """Removes a vulnerability.

    Raises:
        NotFoundError: no such vulnerability, or not for this user.
        AccessLevelNeededError: the user's role does not reach.
    """
    row, place = _row_for(session, user, vulnerability_id, now=now)
    place.check(REMOVES_VULNERABILITIES)
    session.delete(row)
    session.flush()
    note_removal(session, place, "vulnerability", number=vulnerability_id, now=now)


def _row_for(
    session: Session, user: User, vulnerability_id: int, *, now: datetime
) -> tuple[VulnerabilityRow, Place]:
    row = tables.vulnerabilities.vulnerability_row(session, vulnerability_id)
    if row is None:
        raise NotFoundError(WHAT)
    place = place_of(session, user, row.project_id, now=now, what=WHAT)
    if not place.reaches(SEES_VULNERABILITIES):
        raise NotFoundError(WHAT)
    return row, place


def _said(change: VulnerabilityChange) -> dict[str, Any]:
    said = {name: getattr(change, name) for name in PLAIN if getattr(change, name) is not None}
    if change.identifiers is not None:
        said["identifiers"] = [asdict(each) for each in change.identifiers]
    if change.location is not None:
        said["location"] = asdict(change.location)
    return said
