"""What people do with merge requests."""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from appliance.accounts.rules import User
from appliance.errors import NotFoundError
from appliance.resources import tables
from appliance.resources.errors import StateUnfitError
from appliance.resources.rules import (
    Diff,
    ItemFilter,
    MergeRequest,
    MergeRequestChange,
    Place,
    StateEvent,
)
from appliance.resources.rules.merge_requests import (
    CHANGES_MERGE_REQUESTS,
    MAKES_MERGE_REQUESTS,
    REMOVES_MERGE_REQUESTS,
    check_merge_request,
    is_draft,
)
from appliance.resources.tables.merge_requests import MergeRequestRow, merge_request_of
from appliance.resources.usecases.places import named_place, note_removal, place_of, sight_of
from appliance.storage.engine import Session
from appliance.storage.paging import Page, Slice

WHAT = "Merge Request"


def visible_merge_request(
    session: Session, user: User, merge_request_id: int, *, now: datetime
) -> MergeRequest:
    """One merge request as far as the user may know of it.

    Raises:
        NotFoundError: no such merge request, or not for this user.
    """
    row = tables.items.item_row(session, MergeRequestRow, merge_request_id)
    if row is None:
        raise NotFoundError(WHAT)
    place_of(session, user, row.project_id, now=now, what=WHAT)
    return merge_request_of(row)


def named_merge_request(
    session: Session, user: User, project_ref: str, *, iid: int, now: datetime
) -> MergeRequest:
    """The merge request with that number in the project that the user names.

    Raises:
        NotFoundError: no such project or merge request, or not for this user.
    """
    return merge_request_at(session, named_place(session, user, project_ref, now=now), iid)


def merge_request_at(session: Session, place: Place, iid: int) -> MergeRequest:
    """The merge request with that number in a project.

    Raises:
        NotFoundError: no such merge request.
    """
    row = tables.items.item_row_in(session, MergeRequestRow, place.project.id, iid=iid)
    if row is None:
        raise NotFoundError(WHAT)
    return merge_request_of(row)


def diffs_of(session: Session, merge_request: MergeRequest) -> Sequence[Diff]:
    """What it changes, file by file; at most a million characters."""
    return tables.merge_requests.diffs(session, merge_request.id)


def list_merge_requests(
    session: Session, user: User, page: Page, *, wanted: ItemFilter, now: datetime
) -> Slice[MergeRequest]:
    """A page of the merge requests in all projects that the user may know of."""
    sight = sight_of(session, user, now=now)
    return _values(tables.items.merge_request_rows(session, page, wanted=wanted, sight=sight))


def list_merge_requests_at(
    session: Session, place: Place, page: Page, *, wanted: ItemFilter
) -> Slice[MergeRequest]:
    """A page of those in one project."""
    sight, inside = tables.items.sight_at(place), replace(wanted, project_id=place.project.id)
    return _values(tables.items.merge_request_rows(session, page, wanted=inside, sight=sight))


def create_merge_request(
    session: Session, place: Place, new: MergeRequestChange, *, now: datetime
) -> MergeRequest:
    """Makes a merge request.

    Raises:
        AccessLevelNeededError: the user's role does not reach.
        InvalidFieldsError: a field is missing or cannot be used.
    """
    place.check(MAKES_MERGE_REQUESTS)
    labels = new.labels.applied(())
    check_merge_request(new, is_new=True, labels=labels)
    row = MergeRequestRow(
        project_id=place.project.id,
        iid=tables.items.take_iid(session, MergeRequestRow, place.project.id),
        author_id=place.user.id,
        title=new.title or "",
        description=new.description or "",
        state="opened",
        is_draft=is_draft(new.title or ""),
        source_branch=new.source_branch or "",
        target_branch=new.target_branch or "",
        labels=labels,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    made = merge_request_of(row)
    tables.merge_requests.set_diffs(session, made.id, new.diffs or ())
    return made


def change_merge_request(
    session: Session,
    place: Place,
    merge_request: MergeRequest,
    *,
    change: MergeRequestChange,
    now: datetime,
) -> MergeRequest:
    """Changes what `change` names; only a role, not authorship, reaches to what it merges.

    Raises:
        AccessLevelNeededError: neither the author nor of a role that reaches.
        InvalidFieldsError: a field cannot be used.
        StateUnfitError: it is merged, and cannot be closed or opened again.
    """
    place.check_author_or(CHANGES_MERGE_REQUESTS, author_id=merge_request.author_id)
    if (change.diffs, change.source_branch, change.target_branch) != (None, None, None):
        place.check(CHANGES_MERGE_REQUESTS)
    labels = change.labels.applied(merge_request.labels)
    check_merge_request(change, is_new=False, labels=labels)
    row = _row(session, merge_request)
    row.labels = labels
    for field in ("title", "description", "source_branch", "target_branch"):
        if getattr(change, field) is not None:
            setattr(row, field, getattr(change, field))
    row.is_draft = is_draft(row.title)
    if change.event is not None:
        _apply(row, change.event, now=now)
    if change.diffs is not None:
        tables.merge_requests.set_diffs(session, merge_request.id, change.diffs)
    row.updated_at = now
    session.flush()
    return merge_request_of(row)


def merge(
    session: Session, place: Place, merge_request: MergeRequest, *, now: datetime
) -> MergeRequest:
    """Notes that a merge request was merged; there is no repository here to merge it in.

    Raises:
        AccessLevelNeededError: the user's role does not reach.
        StateUnfitError: it is not open, or a draft.
    """
    place.check(CHANGES_MERGE_REQUESTS)
    row = _row(session, merge_request)
    if row.state != "opened" or row.is_draft:
        state = "a draft" if row.state == "opened" else row.state
        raise StateUnfitError(state=state, wanted="be merged")
    row.state, row.merged_at, row.updated_at = "merged", now, now
    session.flush()
    return merge_request_of(row)


def delete_merge_request(
    session: Session, place: Place, merge_request: MergeRequest, *, now: datetime
) -> None:
    """Removes a merge request and all that was said on it.

    Raises:
        AccessLevelNeededError: the user's role does not reach.
    """
    place.check(REMOVES_MERGE_REQUESTS)
    tables.notes.remove_notes(session, "MergeRequest", merge_request.id)
    session.delete(_row(session, merge_request))
    session.flush()
    note_removal(
        session, place, "merge_request", number=merge_request.id, iid=merge_request.iid, now=now
    )


def _apply(row: MergeRequestRow, event: StateEvent, *, now: datetime) -> None:
    if row.state == "merged":
        raise StateUnfitError(state=row.state, wanted=event)
    row.state = "closed" if event == "close" else "opened"
    row.closed_at = (row.closed_at or now) if event == "close" else None


def _row(session: Session, merge_request: MergeRequest) -> MergeRequestRow:
    row = tables.items.item_row(session, MergeRequestRow, merge_request.id)
    if row is None:
        raise NotFoundError(WHAT)
    return row


def _values(rows: Slice[MergeRequestRow]) -> Slice[MergeRequest]:
    items = [merge_request_of(row) for row in rows.items]
    return Slice(items=items, page=rows.page, total=rows.total)
