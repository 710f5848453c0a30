"""What people say on issues and merge requests."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from appliance.accounts.rules import User
from appliance.errors import NotFoundError
from appliance.resources import tables
from appliance.resources.rules import (
    NEWEST_FIRST,
    OLDEST_FIRST,
    Issue,
    MergeRequest,
    Note,
    NoteableKind,
    NoteOrder,
    Place,
    Volume,
)
from appliance.resources.rules.notes import (
    CHANGES_NOTES,
    check_body,
    check_room,
    sees_internal,
    sees_note,
)
from appliance.resources.rules.places import SEES_CONFIDENTIAL
from appliance.resources.tables.notes import NoteRow, note_of
from appliance.resources.usecases.places import note_removal, place_of
from appliance.storage.engine import Session
from appliance.storage.paging import Page, Slice

WHAT = "Note"
Noteable = Issue | MergeRequest


def kind_of(noteable: Noteable) -> NoteableKind:
    """Which of the two it is, as it is stored."""
    return "Issue" if isinstance(noteable, Issue) else "MergeRequest"


def notes_of(session: Session, user: User, noteable: Noteable, *, now: datetime) -> Sequence[Note]:
    """All that the user may read of what is said on something they see, oldest first.

    At most 5,000 notes, which have four million characters together.

    Raises:
        NotFoundError: its project is no longer for this user.
    """
    place = place_of(session, user, noteable.project_id, now=now, what=WHAT)
    chosen = tables.notes.notes_on(
        kind_of(noteable), noteable.id, with_internal=sees_internal(place)
    )
    rows = tables.notes.note_rows(session, chosen, order=OLDEST_FIRST)
    return [note_of(row) for row in rows]


def list_notes(
    session: Session,
    place: Place,
    noteable: Noteable,
    *,
    page: Page,
    order: NoteOrder = NEWEST_FIRST,
) -> Slice[Note]:
    """A page of them."""
    chosen = tables.notes.notes_on(
        kind_of(noteable), noteable.id, with_internal=sees_internal(place)
    )
    rows = tables.notes.note_page(session, page, chosen, order=order)
    return Slice(items=[note_of(row) for row in rows.items], page=page, total=rows.total)


def count_notes(
    session: Session, kind: NoteableKind, noteable_ids: Sequence[int]
) -> Mapping[int, int]:
    """How many notes for everybody there are on each; what has none is left out."""
    return tables.notes.counts(session, kind, noteable_ids)


def note_on(session: Session, place: Place, noteable: Noteable, *, note_id: int) -> Note:
    """One note on something that the user sees.

    Raises:
        NotFoundError: no such note there, or not for this user.
    """
    return note_of(_row_on(session, place, noteable, note_id=note_id))


def create_note(
    session: Session,
    place: Place,
    noteable: Noteable,
    *,
    body: str,
    is_internal: bool = False,
    now: datetime,
) -> Note:
    """Says something on what the user sees.

    Raises:
        InvalidFieldsError: that cannot be said.
        AccessLevelNeededError: internally, without being one who can read it.
        TooManyNotesError: nothing more can be said there.
    """
    check_body(body)
    if is_internal:
        place.check(SEES_CONFIDENTIAL)
    return add_note(session, place, noteable, body=body, is_internal=is_internal, now=now)


def add_note(
    session: Session,
    place: Place,
    noteable: Noteable,
    *,
    body: str,
    is_internal: bool,
    now: datetime,
) -> Note:
    """The same of what is already known to be sayable.

    Raises:
        TooManyNotesError: nothing more can be said there.
    """
    said = tables.notes.volume(session, kind_of(noteable), noteable.id)
    check_room(said, more=Volume(notes=1, chars=len(body)))
    row = NoteRow(
        project_id=noteable.project_id,
        noteable_type=kind_of(noteable),
        noteable_id=noteable.id,
        author_id=place.user.id,
        body=body,
        is_internal=is_internal,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    return note_of(row)


def change_note(
    session: Session,
    place: Place,
    noteable: Noteable,
    *,
    note_id: int,
    body: str,
    now: datetime,
) -> Note:
    """Says it otherwise.

    Raises:
        NotFoundError: no such note there, or not for this user.
        AccessLevelNeededError: neither the author nor of a role that reaches.
        InvalidFieldsError: that cannot be said.
        TooManyNotesError: it is longer, and nothing more can be said there.
    """
    row = _own_row(session, place, noteable, note_id=note_id)
    check_body(body)
    said = tables.notes.volume(session, kind_of(noteable), noteable.id)
    check_room(said, more=Volume(notes=0, chars=max(0, len(body) - len(row.body))))
    row.body, row.updated_at = body, now
    session.flush()
    return note_of(row)


def delete_note(
    session: Session, place: Place, noteable: Noteable, *, note_id: int, now: datetime
) -> None:
    """Takes it back.

    Raises:
        NotFoundError: no such note there, or not for this user.
        AccessLevelNeededError: neither the author nor of a role that reaches.
    """
    row = _own_row(session, place, noteable, note_id=note_id)
    session.delete(row)
    session.flush()
    if not place.is_by_user(row.author_id):
        note_removal(session, place, "note", number=note_id, now=now)


def _row_on(session: Session, place: Place, noteable: Noteable, *, note_id: int) -> NoteRow:
    row = tables.notes.note_row(session, note_id)
    wanted = (kind_of(noteable), noteable.id)
    if row is None or (row.noteable_type, row.noteable_id) != wanted:
        raise NotFoundError(WHAT)
    if not sees_note(place, note_of(row)):
        raise NotFoundError(WHAT)
    return row


def _own_row(session: Session, place: Place, noteable: Noteable, *, note_id: int) -> NoteRow:
    row = _row_on(session, place, noteable, note_id=note_id)
    place.check_author_or(CHANGES_NOTES, author_id=row.author_id)
    return row
