"""What reviewers write down before they say it."""

from collections.abc import Sequence
from datetime import datetime

from appliance.accounts.rules import User
from appliance.errors import InvalidFieldsError, NotFoundError
from appliance.resources import tables
from appliance.resources.rules import DraftNote, MergeRequest, Note, Place
from appliance.resources.rules.notes import MAX_DRAFT_NOTES, check_body
from appliance.resources.tables.draft_notes import DraftNoteRow, draft_note_of
from appliance.resources.usecases.notes import add_note
from appliance.storage.engine import Session

WHAT = "Draft Note"
FIELD = "note"


def draft_notes_of(
    session: Session, user: User, merge_request: MergeRequest
) -> Sequence[DraftNote]:
    """What the user has written on a merge request and not yet published, oldest first."""
    rows = tables.draft_notes.draft_note_rows(session, merge_request.id, author_id=user.id)
    return [draft_note_of(row) for row in rows]


def draft_note_on(
    session: Session, place: Place, merge_request: MergeRequest, *, number: int
) -> DraftNote:
    """One of them.

    Raises:
        NotFoundError: no such one there, or another user's.
    """
    return draft_note_of(_row_on(session, place, merge_request, number=number))


def create_draft_note(
    session: Session, place: Place, merge_request: MergeRequest, *, body: str, now: datetime
) -> DraftNote:
    """Writes something down that only the user sees.

    Raises:
        InvalidFieldsError: that cannot be said, or too much is written down already.
    """
    check_body(body, field_name=FIELD)
    written = draft_notes_of(session, place.user, merge_request)
    if len(written) >= MAX_DRAFT_NOTES:
        raise InvalidFieldsError({FIELD: f"there are {MAX_DRAFT_NOTES} already; publish them"})
    row = DraftNoteRow(
        merge_request_id=merge_request.id, author_id=place.user.id, body=body, created_at=now
    )
    session.add(row)
    session.flush()
    return draft_note_of(row)


def change_draft_note(
    session: Session, place: Place, merge_request: MergeRequest, *, number: int, body: str
) -> DraftNote:
    """Writes it down otherwise.

    Raises:
        NotFoundError: no such one there, or another user's.
        InvalidFieldsError: that cannot be said.
    """
    row = _row_on(session, place, merge_request, number=number)
    check_body(body, field_name=FIELD)
    row.body = body
    session.flush()
    return draft_note_of(row)


def delete_draft_note(
    session: Session, place: Place, merge_request: MergeRequest, *, number: int
) -> None:
    """Takes it back.

    Raises:
        NotFoundError: no such one there, or another user's.
    """
    session.delete(_row_on(session, place, merge_request, number=number))
    session.flush()


def publish_draft_note(
    session: Session, place: Place, merge_request: MergeRequest, *, number: int, now: datetime
) -> Note:
    """Says it.

    Raises:
        NotFoundError: no such one there, or another user's.
        TooManyNotesError: nothing more can be said there.
    """
    row = _row_on(session, place, merge_request, number=number)
    return _publish(session, place, merge_request, row=row, now=now)


def publish_draft_notes(
    session: Session, place: Place, merge_request: MergeRequest, *, now: datetime
) -> Sequence[Note]:
    """Says all that the user has written on a merge request.

    Raises:
        TooManyNotesError: nothing more can be said there.
    """
    rows = tables.draft_notes.draft_note_rows(session, merge_request.id, author_id=place.user.id)
    return [_publish(session, place, merge_request, row=row, now=now) for row in rows]


def _publish(
    session: Session, place: Place, merge_request: MergeRequest, *, row: DraftNoteRow, now: datetime
) -> Note:
    said = add_note(session, place, merge_request, body=row.body, is_internal=False, now=now)
    session.delete(row)
    session.flush()
    return said


def _row_on(
    session: Session, place: Place, merge_request: MergeRequest, *, number: int
) -> DraftNoteRow:
    row = tables.draft_notes.draft_note_row(session, number)
    wanted = (merge_request.id, place.user.id)
    if row is None or (row.merge_request_id, row.author_id) != wanted:
        raise NotFoundError(WHAT)
    return row
