"""The rows of remarks that are not submitted yet."""

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Column, ForeignKey, Integer
from sqlmodel import Field, col, select

from appliance.resources.rules import DraftNote
from appliance.storage.engine import MAX_ID, Row, Session


class DraftNoteRow(Row, table=True):
    """A remark of a review that its author has not submitted yet."""

    __tablename__ = "draft_notes"

    id: int | None = Field(default=None, primary_key=True)
    merge_request_id: int = Field(
        sa_column=Column(
            Integer,
            ForeignKey("merge_requests.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        )
    )
    author_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True
        )
    )
    body: str
    created_at: datetime


def draft_note_of(row: DraftNoteRow) -> DraftNote:
    """The row as a value."""
    assert row.id is not None  # noqa: S101  # it comes from the database
    return DraftNote(
        id=row.id,
        merge_request_id=row.merge_request_id,
        author_id=row.author_id,
        body=row.body,
        created_at=row.created_at,
    )


def draft_note_rows(
    session: Session, merge_request_id: int, *, author_id: int
) -> Sequence[DraftNoteRow]:
    """What that user has not submitted yet, oldest first."""
    query = select(DraftNoteRow).where(
        DraftNoteRow.merge_request_id == merge_request_id, DraftNoteRow.author_id == author_id
    )
    return session.exec(query.order_by(col(DraftNoteRow.id))).all()


def draft_note_row(session: Session, number: int) -> DraftNoteRow | None:
    """The row with that id."""
    return session.get(DraftNoteRow, number) if 0 < number <= MAX_ID else None
