"""Changes on their way to who follows them; each is written in the transaction that makes it."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Integer, func, text
from sqlmodel import Field, col, delete, select

from appliance.storage.engine import PUBLISHED, Row, Session

# Any number, as long as nothing else in this database locks the same one.
ORDER_LOCK = 0x0CA5E0B0


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
    old = col(OutboxRow.created_at) < before
    session.exec(delete(OutboxRow).where(old, col(OutboxRow.sequence) < newest))


def last_sequence(session: Session) -> int:
    """The number of the newest change; 0 before the first."""
    return session.exec(select(func.max(OutboxRow.sequence))).one() or 0
