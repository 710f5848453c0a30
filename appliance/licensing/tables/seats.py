"""Reads and writes seats, and the latest time that was seen."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import ColumnElement, exists, func, or_, text
from sqlalchemy.orm import aliased
from sqlmodel import col, delete, select

from appliance.licensing.rules import Seat, is_over_limit
from appliance.licensing.tables.rows import LicenceClockRow, SeatRow
from appliance.storage.engine import Row, Session
from appliance.storage.paging import Page, Slice, cut

ONLY_ROW = 1


def latest_time(session: Session) -> datetime | None:
    """The latest time that was noted."""
    row = session.get(LicenceClockRow, ONLY_ROW)
    # The session forgets a row that nobody holds, and it is asked several times for one grant.
    session.info[LicenceClockRow.__tablename__] = row
    return row.latest_at if row is not None else None


def note_time(session: Session, at: datetime) -> None:
    """Keeps a time that is later than the one noted."""
    latest = latest_time(session)
    if latest is None or latest < at:
        set_time(session, at)


def set_time(session: Session, at: datetime) -> None:
    """Keeps a time, whatever was noted before."""
    session.merge(LicenceClockRow(id=ONLY_ROW, latest_at=at))
    session.flush()


def hold_seats(session: Session) -> None:
    """Lets one transaction at a time count seats; only of use as its first statement."""
    if session.get_bind().dialect.name == "postgresql":
        # LOCK takes no snapshot, so what is counted afterwards is what the one before committed.
        # An advisory lock would freeze the view before it waits, and all but one would start over.
        session.execute(text("LOCK TABLE seats IN SHARE ROW EXCLUSIVE MODE"))


def is_void(seat: Any) -> ColumnElement[bool]:
    """A condition on a seat: its user is blocked, or was since it was given."""
    # The foreign key binds the two tables; there is no other door to another concept's rows.
    users = Row.metadata.tables["users"]
    blocked = or_(users.c.state == "blocked", users.c.last_blocked_at >= seat.given_at)
    return exists().where(users.c.id == seat.user_id, blocked)


def count_seats(session: Session, purchase_ids: Collection[int]) -> dict[int, int]:
    """How many seats of each purchase are given."""
    query = (
        select(SeatRow.purchase_id, func.count())
        .where(col(SeatRow.purchase_id).in_(purchase_ids), ~is_void(SeatRow))
        .group_by(col(SeatRow.purchase_id))
    )
    counted = dict(session.exec(query).all())
    return {number: counted.get(number, 0) for number in purchase_ids}


@cache
def _seats_and_totals() -> Any:
    # Built once, as each minted token asks; and not before all tables are known.
    other = aliased(SeatRow)
    total = (
        select(func.count()).where(col(other.purchase_id) == SeatRow.purchase_id).scalar_subquery()
    )
    return select(SeatRow, total).where(~is_void(SeatRow)).order_by(col(SeatRow.id))


def seats_of(
    session: Session, user_ids: Collection[int], quantities: Mapping[int, int]
) -> list[Seat]:
    """The users' seats in purchases of these quantities, oldest first."""
    query = _seats_and_totals().where(
        col(SeatRow.user_id).in_(user_ids), col(SeatRow.purchase_id).in_(quantities)
    )
    seats = []
    for row, total in session.exec(query).all():
        quantity = quantities[row.purchase_id]
        # Counting those that are not void reads each of their users: not while all have a place.
        older = 0 if total <= quantity else _count_older(session, row)
        seats.append(_seat_of(row, older=older, quantity=quantity))
    return seats


def _count_older(session: Session, seat: SeatRow) -> int:
    query = select(func.count()).where(
        col(SeatRow.purchase_id) == seat.purchase_id, col(SeatRow.id) < seat.id
    )
    return session.exec(query.where(~is_void(SeatRow))).one()


def seat_page(session: Session, purchase_id: int, page: Page, *, quantity: int) -> Slice[Seat]:
    """A page of a purchase's seats, oldest first."""
    query = (
        select(SeatRow)
        .where(SeatRow.purchase_id == purchase_id, ~is_void(SeatRow))
        .order_by(col(SeatRow.id))
    )
    rows = cut(session, query, page)
    before = (page.number - 1) * page.size
    seats = [
        _seat_of(row, older=older, quantity=quantity)
        for older, row in enumerate(rows.items, start=before)
    ]
    return Slice(items=seats, page=page, total=rows.total)


def _seat_of(row: SeatRow, *, older: int, quantity: int) -> Seat:
    return Seat(
        id=row.id or 0,
        purchase_id=row.purchase_id,
        user_id=row.user_id,
        given_at=row.given_at,
        given_by=row.given_by,
        is_over_limit=is_over_limit(older=older, quantity=quantity),
    )


def drop_void_seats(session: Session, purchase_id: int) -> list[int]:
    """Removes the seats of blocked users; whose they were."""
    query = select(SeatRow).where(SeatRow.purchase_id == purchase_id, is_void(SeatRow))
    rows = session.exec(query).all()
    for row in rows:
        session.delete(row)
    session.flush()
    return sorted(row.user_id for row in rows)


def users_with_seats(session: Session, purchase_id: int, user_ids: Sequence[int]) -> set[int]:
    """Which of these users have a seat in the purchase."""
    query = select(SeatRow.user_id).where(
        SeatRow.purchase_id == purchase_id, col(SeatRow.user_id).in_(user_ids)
    )
    return set(session.exec(query).all())


def add_seats(
    session: Session,
    purchase_id: int,
    user_ids: Collection[int],
    *,
    given_by: int | None,
    now: datetime,
) -> None:
    """Stores seats, in the order of the users."""
    for user_id in user_ids:
        session.add(
            SeatRow(purchase_id=purchase_id, user_id=user_id, given_at=now, given_by=given_by)
        )
        # Each by itself: the order of the numbers decides who is over the limit later.
        session.flush()


def remove_seats(session: Session, purchase_id: int, user_ids: Sequence[int]) -> None:
    """Removes these users' seats."""
    session.exec(
        delete(SeatRow).where(
            col(SeatRow.purchase_id) == purchase_id, col(SeatRow.user_id).in_(user_ids)
        )
    )
