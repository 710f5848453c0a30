"""The rows of the audit log."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Integer, text
from sqlmodel import Field, col, select

from appliance.audit.rules import GENESIS, Actor, AuditEvent, Entry, Filter, Link, Target
from appliance.storage.engine import Row, Session
from appliance.storage.paging import Page, Slice, cut

ONLY_ROW = 1
BATCH_ROWS = 1000
# An insert alone would fail, rather than start again, when two write the first entry at once.
FIRST_HEAD = (
    "INSERT INTO audit_heads (id, sequence, digest) VALUES (:id, :sequence, :digest) "
    "ON CONFLICT DO NOTHING"
)
# Nothing that was put in by hand comes before it.
BEFORE_ALL = -(2**63)


class AuditEventRow(Row, table=True):
    """One entry; `sequence` has no gaps, `digest` covers the entry and `previous_digest`."""

    __tablename__ = "audit_events"

    sequence: int = Field(
        sa_column=Column(
            BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False
        )
    )
    happened_at: datetime = Field(index=True)
    actor_kind: str
    actor_id: str
    actor_name: str
    action: str = Field(index=True)
    target_kind: str
    target_id: str
    details: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    previous_digest: str
    digest: str


class AuditHeadRow(Row, table=True):
    """The one row that says where the log ends, so that a cut-off end shows."""

    __tablename__ = "audit_heads"

    id: int = Field(primary_key=True)
    sequence: int = Field(sa_column=Column(BigInteger, nullable=False))
    digest: str


def event_of(row: AuditEventRow) -> AuditEvent:
    """The row as a value."""
    return AuditEvent(
        sequence=row.sequence,
        entry=Entry(
            happened_at=row.happened_at,
            action=row.action,
            actor=Actor(kind=row.actor_kind, id=row.actor_id, name=row.actor_name),
            target=Target(kind=row.target_kind, id=row.target_id),
            details=row.details,
        ),
        previous_digest=row.previous_digest,
        digest=row.digest,
    )


def link_of(row: AuditHeadRow) -> Link:
    """The row as a value."""
    return Link(sequence=row.sequence, digest=row.digest)


def head(session: Session) -> Link:
    """Where the log ends."""
    row = session.get(AuditHeadRow, ONLY_ROW)
    return GENESIS if row is None else link_of(row)


def held_head(session: Session) -> AuditHeadRow:
    """The row that says where the log ends, kept from others until the commit.

    On PostgreSQL a transaction that began before another one wrote here is told to start again.
    """
    query = select(AuditHeadRow).where(AuditHeadRow.id == ONLY_ROW).with_for_update()
    row = session.exec(query).first()
    if row is None:
        first = {"id": ONLY_ROW, "sequence": GENESIS.sequence, "digest": GENESIS.digest}
        session.execute(text(FIRST_HEAD), first)
        row = session.exec(query).one()
    return row


def add(session: Session, event: AuditEvent, *, head: AuditHeadRow) -> None:
    """Stores the event as the last one; `head` is held."""
    entry = event.entry
    session.add(
        AuditEventRow(
            sequence=event.sequence,
            happened_at=entry.happened_at,
            actor_kind=entry.actor.kind,
            actor_id=entry.actor.id,
            actor_name=entry.actor.name,
            action=entry.action,
            target_kind=entry.target.kind,
            target_id=entry.target.id,
            details=dict(entry.details),
            previous_digest=event.previous_digest,
            digest=event.digest,
        )
    )
    head.sequence, head.digest = event.sequence, event.digest
    session.flush()


def walk(session: Session) -> Iterator[AuditEvent]:
    """Every entry by its number, with only a batch of them in memory."""
    last = BEFORE_ALL
    while True:
        query = select(AuditEventRow).where(col(AuditEventRow.sequence) > last)
        rows = session.exec(query.order_by(col(AuditEventRow.sequence)).limit(BATCH_ROWS)).all()
        for row in rows:
            # The session would otherwise keep what it has seen.
            session.expunge(row)
            yield event_of(row)
        if len(rows) < BATCH_ROWS:
            return
        last = rows[-1].sequence


def event_page(session: Session, page: Page, wanted: Filter) -> Slice[AuditEvent]:
    """A page of the entries, newest first."""
    query = select(AuditEventRow).order_by(col(AuditEventRow.sequence).desc())
    if wanted.action is not None:
        query = query.where(AuditEventRow.action == wanted.action)
    if wanted.created_after is not None:
        query = query.where(AuditEventRow.happened_at >= wanted.created_after)
    if wanted.created_before is not None:
        query = query.where(AuditEventRow.happened_at <= wanted.created_before)
    rows = cut(session, query, page)
    return Slice(items=[event_of(row) for row in rows.items], page=page, total=rows.total)


def was_noted(session: Session, entry: Entry, *, within: timedelta) -> bool:
    """Whether the same actor did the same to the same target in the time up to the entry."""
    query = (
        select(AuditEventRow.sequence)
        .where(AuditEventRow.happened_at > entry.happened_at - within)
        .where(AuditEventRow.action == entry.action)
        .where(AuditEventRow.actor_kind == entry.actor.kind)
        .where(AuditEventRow.actor_id == entry.actor.id)
        .where(AuditEventRow.target_kind == entry.target.kind)
        .where(AuditEventRow.target_id == entry.target.id)
    )
    return session.exec(query.limit(1)).first() is not None
