"""The rows of usage events and of their sums by day."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, fields
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, cast

import msgspec
from sqlalchemy import BigInteger, Column, Index, bindparam, func
from sqlalchemy import select as select_columns
from sqlalchemy.dialects import postgresql, sqlite
from sqlmodel import Field, col, delete, select

from appliance.storage.engine import Row, Session
from appliance.storage.paging import Page, Slice, cut
from appliance.usage.rules import CountedEvent, DayKey, Extent, Group, Line, Sums
from gateway.contract.events import Outcome, UsageEvent


class UsageEventRow(Row, table=True):
    """One use of a feature, as a gateway told it; the pair of ids makes it count once."""

    __tablename__ = "usage_events"
    __table_args__ = (Index("ix_usage_events_user_at", "user_id", "happened_at"),)

    gateway_id: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    happened_at: datetime = Field(index=True)
    received_at: datetime
    request_id: str
    issuer: str
    # None when the token was about somebody who is gone, or of another issuer.
    user_id: int | None = None
    subject: str
    namespace_id: int | None = Field(default=None, index=True)
    root_namespace_id: int | None = Field(default=None, index=True)
    feature: str
    unit_primitive: str
    provider: str
    model: str
    outcome: str
    status: int
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    queue_ms: float | None = None
    first_token_ms: float | None = None
    duration_ms: float | None = None


class UsageDayRow(Row, table=True):
    """The sums of one day (UTC), feature, provider, model, group and user; 0 stands for none."""

    __tablename__ = "usage_days"

    day: date = Field(primary_key=True)
    feature: str = Field(primary_key=True)
    provider: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    namespace_id: int = Field(primary_key=True)
    user_id: int = Field(primary_key=True)
    requests: int
    answered: int
    prompt_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
    completion_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))


DAY_COLUMNS = {
    Group.DAY: UsageDayRow.day,
    Group.FEATURE: UsageDayRow.feature,
    Group.PROVIDER: UsageDayRow.provider,
    Group.MODEL: UsageDayRow.model,
    Group.NAMESPACE: UsageDayRow.namespace_id,
    Group.USER: UsageDayRow.user_id,
}
COUNTS = ("requests", "answered", "prompt_tokens", "completion_tokens")


def _insert(session: Session, row: type[Row]) -> Any:
    # Both databases say it in the same words, in two modules.
    is_sqlite = session.get_bind().dialect.name == "sqlite"
    return (sqlite.insert if is_sqlite else postgresql.insert)(row)


def add_new(session: Session, events: Sequence[CountedEvent]) -> set[str]:
    """Stores what is new among events of one gateway; the ids of those that were."""
    if not events:
        return set()
    rows = [
        {
            **msgspec.structs.asdict(each.event),
            "gateway_id": each.gateway_id,
            "user_id": each.user_id,
            "happened_at": each.happened_at,
            "received_at": each.received_at,
        }
        for each in events
    ]
    statement = _insert(session, UsageEventRow).on_conflict_do_nothing()
    added = statement.returning(UsageEventRow.event_id)
    return set(session.connection().execute(added, rows).scalars())


def add_sums(session: Session, sums: Mapping[DayKey, Sums]) -> None:
    """Adds to the sums of some days."""
    if not sums:
        return
    statement = _insert(session, UsageDayRow)
    grown = {name: getattr(UsageDayRow, name) + statement.excluded[name] for name in COUNTS}
    keys = [field.name for field in fields(DayKey)]
    statement = statement.on_conflict_do_update(index_elements=keys, set_=grown)
    rows = [{**asdict(key), **asdict(value)} for key, value in sums.items()]
    session.connection().execute(statement, rows)


def sum_up(
    session: Session, extent: Extent, groups: Sequence[Group], *, limit: int
) -> Sequence[Line]:
    """The sums of an extent by some groups, in their order; at most `limit` lines."""
    columns: list[Any] = [DAY_COLUMNS[group] for group in groups]
    totals: list[Any] = [func.sum(getattr(UsageDayRow, name)) for name in COUNTS]
    query = select_columns(*columns, *totals).group_by(*columns).order_by(*columns).limit(limit)
    query = query.where(col(UsageDayRow.day).between(extent.first, extent.last))
    if extent.user_id is not None:
        query = query.where(col(UsageDayRow.user_id) == extent.user_id)
    if extent.namespace_ids is not None:
        query = query.where(_is_one_of(col(UsageDayRow.namespace_id), extent.namespace_ids))
    return [
        Line(
            values=tuple(row[: len(columns)]),
            # PostgreSQL adds whole numbers up to decimals.
            sums=Sums(**dict(zip(COUNTS, map(int, row[len(columns) :]), strict=True))),
        )
        for row in session.connection().execute(query)
    ]


def _is_one_of(column: Any, ids: Collection[int]) -> Any:
    # Written out: a large tree of groups has more ids than a statement may have parameters.
    numbers: Any = bindparam("ids", value=sorted(ids), expanding=True, literal_execute=True)
    return column.in_(numbers)


def event_page(session: Session, extent: Extent, page: Page) -> Slice[CountedEvent]:
    """A page of the single events of an extent, newest first."""
    query = select(UsageEventRow)
    first = datetime.combine(extent.first, time(), UTC)
    beyond = datetime.combine(extent.last, time(), UTC) + timedelta(days=1)
    query = query.where(UsageEventRow.happened_at >= first, UsageEventRow.happened_at < beyond)
    if extent.user_id is not None:
        query = query.where(UsageEventRow.user_id == extent.user_id)
    if extent.namespace_ids is not None:
        query = query.where(_is_one_of(col(UsageEventRow.namespace_id), extent.namespace_ids))
    newest_first = query.order_by(
        col(UsageEventRow.happened_at).desc(), col(UsageEventRow.event_id).desc()
    )
    rows = cut(session, newest_first, page)
    return Slice(items=[_event_of(row) for row in rows.items], page=page, total=rows.total)


def _event_of(row: UsageEventRow) -> CountedEvent:
    names = set(UsageEvent.__struct_fields__) - {"happened_at", "outcome"}
    return CountedEvent(
        gateway_id=row.gateway_id,
        user_id=row.user_id,
        happened_at=row.happened_at,
        received_at=row.received_at,
        event=UsageEvent(
            happened_at=row.happened_at.timestamp(),
            outcome=cast("Outcome", row.outcome),
            **{name: getattr(row, name) for name in names},
        ),
    )


def forget(session: Session, *, events_before: datetime, sums_before: date) -> None:
    """Drops single events and sums from before then."""
    session.exec(delete(UsageEventRow).where(col(UsageEventRow.happened_at) < events_before))
    session.exec(delete(UsageDayRow).where(col(UsageDayRow.day) < sums_before))
