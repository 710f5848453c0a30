"""What people do with issues."""

from dataclasses import replace
from datetime import datetime

from appliance.accounts.rules import User
from appliance.errors import NotFoundError
from appliance.resources import tables
from appliance.resources.rules import Issue, IssueChange, ItemFilter, Place
from appliance.resources.rules.issues import (
    CHANGES_ISSUES,
    REMOVES_ISSUES,
    check_issue,
    sees_issue,
)
from appliance.resources.tables.issues import IssueRow, issue_of
from appliance.resources.usecases.places import named_place, note_removal, place_of, sight_of
from appliance.storage.engine import Session
from appliance.storage.paging import Page, Slice

WHAT = "Issue"


def visible_issue(session: Session, user: User, issue_id: int, *, now: datetime) -> Issue:
    """One issue as far as the user may know of it.

    Raises:
        NotFoundError: no such issue, or not for this user.
    """
    row = tables.items.item_row(session, IssueRow, issue_id)
    if row is None:
        raise NotFoundError(WHAT)
    place = place_of(session, user, row.project_id, now=now, what=WHAT)
    return _checked(place, issue_of(row))


def named_issue(
    session: Session, user: User, project_ref: str, *, iid: int, now: datetime
) -> Issue:
    """The issue with that number in the project that the user names.

    Raises:
        NotFoundError: no such project or issue, or not for this user.
    """
    return issue_at(session, named_place(session, user, project_ref, now=now), iid)


def issue_at(session: Session, place: Place, iid: int) -> Issue:
    """The issue with that number in a project.

    Raises:
        NotFoundError: no such issue, or not for this user.
    """
    row = tables.items.item_row_in(session, IssueRow, place.project.id, iid=iid)
    if row is None:
        raise NotFoundError(WHAT)
    return _checked(place, issue_of(row))


def list_issues(
    session: Session, user: User, page: Page, *, wanted: ItemFilter, now: datetime
) -> Slice[Issue]:
    """A page of the issues in all projects that the user may know of."""
    sight = sight_of(session, user, now=now)
    return _values(tables.items.issue_rows(session, page, wanted=wanted, sight=sight))


def list_issues_at(
    session: Session, place: Place, page: Page, *, wanted: ItemFilter
) -> Slice[Issue]:
    """A page of those in one project."""
    sight, inside = tables.items.sight_at(place), replace(wanted, project_id=place.project.id)
    return _values(tables.items.issue_rows(session, page, wanted=inside, sight=sight))


def create_issue(session: Session, place: Place, new: IssueChange, *, now: datetime) -> Issue:
    """Makes an issue; whoever may know of the project may do so.

    Raises:
        InvalidFieldsError: a field is missing or cannot be used.
    """
    labels = new.labels.applied(())
    check_issue(new, is_new=True, labels=labels)
    row = IssueRow(
        project_id=place.project.id,
        iid=tables.items.take_iid(session, IssueRow, place.project.id),
        author_id=place.user.id,
        title=new.title or "",
        description=new.description or "",
        state="opened",
        is_confidential=bool(new.is_confidential),
        labels=labels,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    return issue_of(row)


def change_issue(
    session: Session, place: Place, issue: Issue, *, change: IssueChange, now: datetime
) -> Issue:
    """Changes what `change` names.

    Raises:
        AccessLevelNeededError: neither the author nor of a role that reaches.
        InvalidFieldsError: a field cannot be used.
    """
    place.check_author_or(CHANGES_ISSUES, author_id=issue.author_id)
    labels = change.labels.applied(issue.labels)
    check_issue(change, is_new=False, labels=labels)
    row = _row(session, issue)
    row.labels = labels
    for field in ("title", "description", "is_confidential"):
        if getattr(change, field) is not None:
            setattr(row, field, getattr(change, field))
    if change.event is not None:
        row.state = "closed" if change.event == "close" else "opened"
        row.closed_at = (row.closed_at or now) if change.event == "close" else None
    row.updated_at = now
    session.flush()
    return issue_of(row)


def delete_issue(session: Session, place: Place, issue: Issue, *, now: datetime) -> None:
    """Removes an issue and all that was said on it.

    Raises:
        AccessLevelNeededError: the user's role does not reach.
    """
    place.check(REMOVES_ISSUES)
    tables.notes.remove_notes(session, "Issue", issue.id)
    session.delete(_row(session, issue))
    session.flush()
    note_removal(session, place, "issue", number=issue.id, iid=issue.iid, now=now)


def _row(session: Session, issue: Issue) -> IssueRow:
    row = tables.items.item_row(session, IssueRow, issue.id)
    if row is None:
        raise NotFoundError(WHAT)
    return row


def _values(rows: Slice[IssueRow]) -> Slice[Issue]:
    return Slice(items=[issue_of(row) for row in rows.items], page=rows.page, total=rows.total)


def _checked(place: Place, issue: Issue) -> Issue:
    if not sees_issue(place, issue):
        raise NotFoundError(WHAT)
    return issue
