"""Finds, adds and removes groups."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy import String, exists, func, literal
from sqlalchemy import cast as cast_to
from sqlalchemy import select as columns
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import ColumnElement
from sqlmodel import col, or_, select

from appliance.accounts.rules import User
from appliance.namespaces.errors import NamespaceNotEmptyError
from appliance.namespaces.rules import AccessLevel, GroupFilter, Namespace, NewGroup, Order
from appliance.namespaces.tables.rows import (
    MemberRow,
    NamespaceRow,
    chain_text,
    fold,
    holds,
    is_within,
    namespace_of,
)
from appliance.storage.engine import MAX_ID, Session
from appliance.storage.paging import Page, Slice, cut


def namespace_row(session: Session, namespace_id: int) -> NamespaceRow | None:
    """The group's row, for changing it."""
    return session.get(NamespaceRow, namespace_id) if 0 < namespace_id <= MAX_ID else None


def namespace_row_at(session: Session, full_path: str) -> NamespaceRow | None:
    """The row of the group with that full path, whatever its case."""
    if "\0" in full_path:  # which PostgreSQL takes in no text
        return None
    query = select(NamespaceRow).where(NamespaceRow.full_path_key == fold(full_path))
    return session.exec(query).first()


def is_taken(session: Session, full_path: str, *, besides: int | None) -> bool:
    """Whether another group than `besides` has that full path."""
    row = namespace_row_at(session, full_path)
    return row is not None and row.id != besides


def add_namespace(
    session: Session, new: NewGroup, *, full_path: str, parent: Namespace | None, now: datetime
) -> NamespaceRow:
    """Stores a group."""
    row = NamespaceRow(
        parent_id=new.parent_id,
        depth=1 if parent is None else parent.depth + 1,
        name=new.name,
        path=new.path,
        full_path=full_path,
        full_path_key=fold(full_path),
        description=new.description,
        visibility=new.visibility,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    assert row.id is not None  # noqa: S101  # it comes from the database
    chain = (*(() if parent is None else parent.ancestry), row.id)
    row.root_id = chain[0]
    row.ancestry = chain_text(chain)
    session.flush()
    return row


def namespaces_among(session: Session, namespace_ids: Collection[int]) -> Mapping[int, Namespace]:
    """Those of the groups that there are, by id."""
    query = select(NamespaceRow).where(col(NamespaceRow.id).in_(namespace_ids))
    return {each.id: each for each in map(namespace_of, session.exec(query).all())}


def parents_among(
    session: Session, namespace_ids: Collection[int] | None
) -> Mapping[int, int | None]:
    """The group right above each of the groups that there are of these (None: of all)."""
    # Past the mapper: a hundred thousand groups are read for each gateway that starts.
    query = columns(col(NamespaceRow.id), col(NamespaceRow.parent_id))
    if namespace_ids is not None:
        query = query.where(col(NamespaceRow.id).in_(namespace_ids))
    session.flush()
    found = session.connection().execute(query)
    return {number: parent for number, parent in found if number is not None}


def names_of(session: Session, namespace_ids: Collection[int]) -> Mapping[int, str]:
    """The own names of some groups."""
    query = select(NamespaceRow.id, NamespaceRow.name)
    found = session.exec(query.where(col(NamespaceRow.id).in_(namespace_ids))).all()
    return {number: name for number, name in found if number is not None}


def delete_namespace(session: Session, row: NamespaceRow) -> None:
    """Removes an empty group.

    Raises:
        NamespaceNotEmptyError: something refers to it that does not go with it.
    """
    session.delete(row)
    try:
        session.flush()
    except IntegrityError as cause:
        raise NamespaceNotEmptyError from cause


def visible_page(
    session: Session, user: User, page: Page, *, wanted: GroupFilter, today: date
) -> Slice[Namespace]:
    """A page of the groups that the user may know of, in the order that is asked for."""
    query = select(NamespaceRow)
    if not user.is_admin:
        is_open = NamespaceRow.visibility != "private"
        query = query.where(or_(is_open, _has_member(user.id, today, at_least=AccessLevel.GUEST)))
    query = query.where(*_wanted(user, wanted, today))
    rows = cut(session, query.order_by(*_ordered(wanted.order)), page)
    return Slice(items=[namespace_of(row) for row in rows.items], page=page, total=rows.total)


def _wanted(user: User, wanted: GroupFilter, today: date) -> Iterator[ColumnElement[bool]]:
    if wanted.top_level_only:
        yield col(NamespaceRow.parent_id).is_(None)
    if wanted.parent is not None:
        yield col(NamespaceRow.parent_id) == wanted.parent.id
    if wanted.within is not None:
        yield is_within(chain_text(wanted.within.ancestry))
        yield col(NamespaceRow.id) != wanted.within.id
    if wanted.least_level is not None:
        yield _has_member(user.id, today, at_least=wanted.least_level)
    if wanted.visibility is not None:
        yield col(NamespaceRow.visibility) == wanted.visibility
    if wanted.without:
        yield col(NamespaceRow.id).not_in(wanted.without)
    if wanted.search is not None:
        text = fold(wanted.search.replace("\0", ""))
        yield or_(
            col(NamespaceRow.full_path_key).contains(text, autoescape=True),
            func.lower(NamespaceRow.name).contains(text, autoescape=True),
        )


def _ordered(order: Order) -> Sequence[Any]:
    columns: dict[str, Any] = {
        "name": func.lower(NamespaceRow.name),
        "path": col(NamespaceRow.full_path_key),
        "id": col(NamespaceRow.id),
    }
    # The number last, so that what is alike is never shown on two pages.
    chosen = (columns[order.by], columns["id"])
    return [each.desc() for each in chosen] if order.is_descending else chosen


def groups_with_member(
    session: Session, user_id: int, *, at_least: AccessLevel, today: date
) -> Collection[int]:
    """The groups in which the user has such a role, their own or one from above."""
    query = select(NamespaceRow.id).where(_has_member(user_id, today, at_least=at_least))
    return [each for each in session.exec(query).all() if each is not None]


def _has_member(user_id: int, today: date, *, at_least: AccessLevel) -> ColumnElement[bool]:
    """Whether the user has such a role in a group, their own or one from above."""
    inside = literal("/").concat(cast_to(col(MemberRow.namespace_id), String)).concat("/")
    return exists(
        select(MemberRow.id)
        .where(MemberRow.user_id == user_id, holds(today), MemberRow.access_level >= at_least)
        .where(col(NamespaceRow.ancestry).contains(inside))
    )
