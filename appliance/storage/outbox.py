"""Changes on their way to who follows them; each is written in the transaction that makes it."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Integer, func, text
from sqlmodel import Field, col, delete, select
from sqlmodel.sql.expression import SelectOfScalar

from appliance.storage.engine import PUBLISHED, Row, Session

# Any number, as long as nothing else in this database locks the same one.
ORDER_LOCK = 0x0CA5E0B0


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One change as those who follow read it."""

    sequence: int
    topic: str
    payload: Mapping[str, Any]
    created_at: datetime


class OutboxRow(Row, table=True):
    """One change; `sequence` grows in the order in which changes become visible, with gaps."""

    __tablename__ = "outbox"
    # Without AUTOINCREMENT SQLite hands out the number of a deleted last row a second time.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  # SQLAlchemy's own name

    sequence: int | None = Field(
        default=None,
        # SQLite numbers rows by itself only when the type is INTEGER, which has 64 bits there.
        sa_column=Column(BigInteger().with_variant(Integer(), "sqlite"), primary_key=True),
    )
    topic: str
    payload: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    created_at: datetime = Field(index=True)


def publish(session: Session, topic: str, payload: Mapping[str, Any], *, now: datetime) -> None:
    """Adds a change; a payload names rows and never carries a secret."""
    # A sequence alone would let number 2 become visible before number 1; a reader that has
    # seen 2 would never look for 1.
    keep_order(session)
    session.add(OutboxRow(topic=topic, payload=dict(payload), created_at=now))
    session.flush()
    session.info[PUBLISHED] = True


def keep_order(session: Session) -> None:
    """Holds other writers of what is numbered back until the commit.

    One lock for everything that is numbered: with two, two writers could wait for each other.
    """
    # SQLite has one writer at a time anyway.
    if session.get_bind().dialect.name == "postgresql":
        session.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": ORDER_LOCK})


def forget(session: Session, *, before: datetime) -> None:
    """Drops changes from before then; never the newest, whose number is the feed's position."""
    newest = select(func.max(OutboxRow.sequence)).scalar_subquery()
    # Only from the beginning, whatever the clocks of several writers said: as long as a change is
    # there, so is all that came after it.
    kept = select(func.min(OutboxRow.sequence)).where(col(OutboxRow.created_at) >= before)
    end = func.coalesce(kept.scalar_subquery(), newest)
    session.exec(delete(OutboxRow).where(col(OutboxRow.sequence) < end))


def last_sequence(session: Session) -> int:
    """The number of the newest change; 0 before the first."""
    return session.exec(select(func.max(OutboxRow.sequence))).one() or 0


def changes_after(session: Session, sequence: int) -> Sequence[Change]:
    """What came after the change of that number, in order."""
    query = select(OutboxRow).where(col(OutboxRow.sequence) > sequence)
    return _changes(session, query)


def changes_from(session: Session, moment: datetime, topics: Collection[str]) -> Sequence[Change]:
    """The changes of these topics since then, in order."""
    query = select(OutboxRow).where(
        col(OutboxRow.created_at) >= moment, col(OutboxRow.topic).in_(topics)
    )
    return _changes(session, query)


def reaches_back_to(session: Session, sequence: int) -> bool:
    """Whether nothing that came after the change of that number is forgotten."""
    # The number that a follower has is that of a change which was the newest once.
    if sequence == last_sequence(session):
        return True
    query = select(OutboxRow.sequence).where(col(OutboxRow.sequence) == sequence)
    return session.exec(query).first() is not None


def is_changed_since(session: Session, sequence: int, topics: Collection[str]) -> bool:
    """Whether a change of these topics came after that number, or nobody can tell any more."""
    query = select(OutboxRow.sequence).where(
        col(OutboxRow.sequence) > sequence, col(OutboxRow.topic).in_(topics)
    )
    is_known = reaches_back_to(session, sequence)
    return not is_known or session.exec(query.limit(1)).first() is not None


def backlog(session: Session, sequence: int) -> tuple[int, datetime | None]:
    """How many changes came after the change of that number, and when the first of them did."""
    query = select(func.count(), func.min(OutboxRow.created_at)).where(
        col(OutboxRow.sequence) > sequence
    )
    count, first = session.exec(query).one()
    return count, first


def _changes(session: Session, query: SelectOfScalar[OutboxRow]) -> Sequence[Change]:
    return [
        Change(
            sequence=row.sequence or 0,
            topic=row.topic,
            payload=row.payload,
            created_at=row.created_at,
        )
        for row in session.exec(query.order_by(col(OutboxRow.sequence)))
    ]
