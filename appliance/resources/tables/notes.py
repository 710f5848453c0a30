"""The rows of what people say on issues and merge requests."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Index, delete, func
from sqlmodel import Field, col, select
from sqlmodel.sql.expression import SelectOfScalar

from appliance.resources.rules import Note, NoteableKind, NoteOrder, Volume
from appliance.resources.tables.rows import author_column, project_column
from appliance.storage.engine import MAX_ID, Row, Session
from appliance.storage.paging import Page, Slice, cut


class NoteRow(Row, table=True):
    """One remark on an issue or a merge request, whose id is `noteable_id`."""

    __tablename__ = "notes"
    __table_args__ = (
        Index("ix_notes_noteable", "noteable_type", "noteable_id"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    project_id: int = Field(sa_column=project_column())
    noteable_type: str
    noteable_id: int
    author_id: int | None = Field(default=None, sa_column=author_column())
    body: str
    is_system: bool = False
    is_internal: bool = False
    created_at: datetime
    updated_at: datetime


def note_of(row: NoteRow) -> Note:
    """The row as a value."""
    assert row.id is not None  # noqa: S101  # it comes from the database
    return Note(
        id=row.id,
        project_id=row.project_id,
        noteable_kind=cast("NoteableKind", row.noteable_type),
        noteable_id=row.noteable_id,
        author_id=row.author_id,
        body=row.body,
        is_system=row.is_system,
        is_internal=row.is_internal,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def note_row(session: Session, number: int) -> NoteRow | None:
    """The row with that id."""
    return session.get(NoteRow, number) if 0 < number <= MAX_ID else None


def note_page(
    session: Session, page: Page, chosen: SelectOfScalar[NoteRow], *, order: NoteOrder
) -> Slice[NoteRow]:
    """A page of those that were chosen."""
    return cut(session, _ordered(chosen, order), page)


def note_rows(
    session: Session, chosen: SelectOfScalar[NoteRow], *, order: NoteOrder
) -> list[NoteRow]:
    """All that were chosen."""
    return list(session.exec(_ordered(chosen, order)).all())


def notes_on(
    kind: NoteableKind, noteable_id: int, *, with_internal: bool
) -> SelectOfScalar[NoteRow]:
    """Chooses the notes on one thing."""
    query = select(NoteRow).where(NoteRow.noteable_type == kind, NoteRow.noteable_id == noteable_id)
    return query if with_internal else query.where(~col(NoteRow.is_internal))


def volume(session: Session, kind: NoteableKind, noteable_id: int) -> Volume:
    """How much is said on one thing."""
    query = select(func.count(), func.coalesce(func.sum(func.length(NoteRow.body)), 0)).where(
        NoteRow.noteable_type == kind, NoteRow.noteable_id == noteable_id
    )
    notes, chars = session.exec(query).one()
    return Volume(notes=notes, chars=chars)


def counts(session: Session, kind: NoteableKind, ids: Sequence[int]) -> Mapping[int, int]:
    """How many notes for everybody there are on each of these; none is left out."""
    query = (
        select(NoteRow.noteable_id, func.count())
        .where(NoteRow.noteable_type == kind, col(NoteRow.noteable_id).in_(ids))
        .where(~col(NoteRow.is_internal))
        .group_by(col(NoteRow.noteable_id))
    )
    return dict(session.exec(query).all())


def remove_notes(session: Session, kind: NoteableKind, noteable_id: int) -> None:
    """Removes all notes on one thing."""
    statement = delete(NoteRow).where(
        col(NoteRow.noteable_type) == kind, col(NoteRow.noteable_id) == noteable_id
    )
    session.execute(statement)


def _ordered(chosen: SelectOfScalar[NoteRow], order: NoteOrder) -> SelectOfScalar[NoteRow]:
    columns = (getattr(NoteRow, order.by), col(NoteRow.id))
    return chosen.order_by(*(each.desc() if order.is_descending else each for each in columns))
