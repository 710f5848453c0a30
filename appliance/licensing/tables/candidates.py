"""Finds users by whether they have a seat, and when they were last there."""

from collections import defaultdict
from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, ScalarSelect, Table, exists, func, or_
from sqlmodel import col, select

from appliance.licensing.rules import Search
from appliance.licensing.tables.rows import SeatRow
from appliance.licensing.tables.seats import is_void
from appliance.storage.engine import Row, Session
from appliance.storage.paging import Span, Stretch, cut_span


def _table(name: str) -> Table:
    # There is no other door to another concept's rows; both lie below this one.
    return Row.metadata.tables[name]


def _last_used(users: Table) -> ScalarSelect[Any]:
    tokens = _table("personal_access_tokens")
    found = select(func.max(tokens.c.last_used_at)).where(tokens.c.user_id == users.c.id)
    return found.scalar_subquery()


def active_user_ids(session: Session, search: Search, span: Span) -> Stretch[int]:
    """The users asked for who are not blocked, in the order asked for."""
    users = _table("users")
    query = select(users.c.id).where(users.c.state == "active")
    if search.text:
        pattern = search.text.casefold()
        named = (users.c.username_key, users.c.email_key, func.lower(users.c.name))
        query = query.where(or_(*(each.contains(pattern, autoescape=True) for each in named)))
    if search.has_seat is not None:
        seated = _has_seat(users, search.purchase_ids)
        query = query.where(seated if search.has_seat else ~seated)
    keys: dict[str, Any] = {
        "id": users.c.id,
        "name": func.lower(users.c.name),
        "last_active_at": _last_used(users),
    }
    key = keys[search.order]
    ordered = key.desc().nulls_last() if search.is_descending else key.asc().nulls_last()
    return cut_span(session, query.order_by(ordered, users.c.id), span)


def _has_seat(users: Table, purchase_ids: Collection[int]) -> ColumnElement[bool]:
    return exists().where(
        col(SeatRow.user_id) == users.c.id,
        col(SeatRow.purchase_id).in_(purchase_ids),
        ~is_void(SeatRow),
    )


def last_active(session: Session, user_ids: Collection[int]) -> Mapping[int, datetime | None]:
    """When each of the users last used a personal access token, to a few minutes."""
    users = _table("users")
    query = select(users.c.id, _last_used(users)).where(users.c.id.in_(user_ids))
    return dict(session.exec(query).all())


def purchases_by_user(session: Session, user_ids: Collection[int]) -> Mapping[int, set[int]]:
    """In which purchases each of the users has a seat."""
    query = select(SeatRow.user_id, SeatRow.purchase_id)
    query = query.where(col(SeatRow.user_id).in_(user_ids), ~is_void(SeatRow))
    found: defaultdict[int, set[int]] = defaultdict(set)
    for user_id, purchase_id in session.exec(query):
        found[user_id].add(purchase_id)
    return found
