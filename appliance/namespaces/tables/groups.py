"""Finds, adds and removes groups."""

from collections.abc import Collection, Mapping
from datetime import date, datetime

from sqlalchemy import String, exists, func, literal
from sqlalchemy import cast as cast_to
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import ColumnElement
from sqlmodel import col, or_, select

from appliance.accounts.rules import User
from appliance.namespaces.errors import NamespaceNotEmptyError
from appliance.namespaces.rules import GroupFilter, Namespace, NewGroup
from appliance.namespaces.tables.rows import (
    MemberRow,
    NamespaceRow,
    chain_text,
    fold,
    holds,
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
    # Columns, not rows: a hundred thousand groups are read for each gateway that starts.
    query = select(NamespaceRow.id, NamespaceRow.parent_id)
    if namespace_ids is not None:
        query = query.where(col(NamespaceRow.id).in_(namespace_ids))
    return {number: parent for number, parent in session.exec(query) if number is not None}


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
    """A page of the groups that the user may know of, by full path."""
    query = select(NamespaceRow).order_by(col(NamespaceRow.full_path_key))
    if not user.is_admin:
        is_open = NamespaceRow.visibility != "private"
        query = query.where(or_(is_open, _has_member(user.id, today)))
    if wanted.top_level_only:
        query = query.where(col(NamespaceRow.parent_id).is_(None))
    if wanted.parent_id is not None:
        query = query.where(NamespaceRow.parent_id == wanted.parent_id)
    if wanted.search is not None:
        text = fold(wanted.search.replace("\0", ""))
        query = query.where(
            or_(
                col(NamespaceRow.full_path_key).contains(text, autoescape=True),
                func.lower(NamespaceRow.name).contains(text, autoescape=True),
            )
        )
    rows = cut(session, query, page)
    return Slice(items=[namespace_of(row) for row in rows.items], page=page, total=rows.total)


def groups_with_member(session: Session, user_id: int, *, today: date) -> Collection[int]:
    """The groups in which the user has a role, their own or one from above."""
    query = select(NamespaceRow.id).where(_has_member(user_id, today))
    return [each for each in session.exec(query).all() if each is not None]


def _has_member(user_id: int, today: date) -> ColumnElement[bool]:
    inside = literal("/").concat(cast_to(col(MemberRow.namespace_id), String)).concat("/")
    return exists(
        select(MemberRow.id)
        .where(MemberRow.user_id == user_id, holds(today))
        .where(col(NamespaceRow.ancestry).contains(inside))
    )
