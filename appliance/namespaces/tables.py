"""The rows of groups and their members."""

from collections.abc import Collection, Mapping, Sequence
from datetime import date, datetime
from typing import cast

from sqlalchemy import Column, ForeignKey, Integer, String, UniqueConstraint, exists, func, literal
from sqlalchemy import cast as cast_to
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql import ColumnElement
from sqlmodel import Field, col, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from appliance.accounts.rules import User
from appliance.namespaces.errors import NamespaceNotEmptyError
from appliance.namespaces.rules import (
    AccessLevel,
    GroupFilter,
    Membership,
    Namespace,
    NewGroup,
    Visibility,
)
from appliance.storage.engine import MAX_ID, Row, Session
from appliance.storage.paging import Page, Slice, cut


class NamespaceRow(Row, table=True):
    """A group; `ancestry` is `/ROOT/…/OWN/`, ids from the root down to the row's own.

    `full_path_key` is the folded full path, which makes paths unique.
    """

    __tablename__ = "namespaces"
    # A deleted group's number must not come back: tokens and events name it.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  # SQLAlchemy's own name

    id: int | None = Field(default=None, primary_key=True)
    parent_id: int | None = Field(
        default=None,
        sa_column=Column(
            Integer, ForeignKey("namespaces.id", ondelete="RESTRICT"), nullable=True, index=True
        ),
    )
    # Its own id for a root; None only between the insert and the update that fills it.
    root_id: int | None = Field(default=None, index=True)
    ancestry: str = Field(default="", index=True)
    depth: int
    name: str
    path: str
    full_path: str
    full_path_key: str = Field(unique=True)
    description: str = ""
    visibility: str
    created_at: datetime
    updated_at: datetime


class MemberRow(Row, table=True):
    """A user's role in a group; it holds for the groups below as well."""

    __tablename__ = "namespace_members"
    __table_args__ = (UniqueConstraint("namespace_id", "user_id"),)

    id: int | None = Field(default=None, primary_key=True)
    namespace_id: int = Field(
        sa_column=Column(Integer, ForeignKey("namespaces.id", ondelete="CASCADE"), nullable=False)
    )
    user_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True
        )
    )
    access_level: int
    expires_on: date | None = None
    created_at: datetime


class DefaultNamespaceRow(Row, table=True):
    """The group that a user's tokens are for when they name none."""

    __tablename__ = "default_namespaces"

    user_id: int = Field(
        sa_column=Column(Integer, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    )
    namespace_id: int = Field(
        sa_column=Column(Integer, ForeignKey("namespaces.id", ondelete="CASCADE"), nullable=False)
    )


def fold(path: str) -> str:
    """The form in which two full paths count as one."""
    return path.casefold()


def namespace_of(row: NamespaceRow) -> Namespace:
    """The row as a value."""
    assert row.id is not None  # noqa: S101  # it comes from the database
    assert row.root_id is not None  # noqa: S101  # set before anybody else sees the row
    return Namespace(
        id=row.id,
        parent_id=row.parent_id,
        root_id=row.root_id,
        ancestry=tuple(int(each) for each in row.ancestry.strip("/").split("/")),
        depth=row.depth,
        name=row.name,
        path=row.path,
        full_path=row.full_path,
        description=row.description,
        visibility=cast("Visibility", row.visibility),
        created_at=row.created_at,
    )


def membership_of(row: MemberRow) -> Membership:
    """The row as a value."""
    return Membership(
        user_id=row.user_id,
        namespace_id=row.namespace_id,
        access_level=AccessLevel(row.access_level),
        expires_on=row.expires_on,
    )


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
    chain = (*(() if parent is None else parent.ancestry), row.id)
    row.root_id = chain[0]
    row.ancestry = f"/{'/'.join(map(str, chain))}/"
    session.flush()
    return row


def rename(session: Session, row: NamespaceRow, full_path: str, *, now: datetime) -> None:
    """Gives a group, and with it all below, another full path."""
    old = row.full_path
    for each in session.exec(_below(row)).all():
        each.full_path = full_path + each.full_path[len(old) :]
        each.full_path_key = fold(each.full_path)
        each.updated_at = now
    row.full_path, row.full_path_key = full_path, fold(full_path)
    session.flush()


def below(session: Session, row: NamespaceRow) -> Sequence[Namespace]:
    """Every group below, at any depth."""
    return [namespace_of(each) for each in session.exec(_below(row)).all()]


def _below(row: NamespaceRow) -> SelectOfScalar[NamespaceRow]:
    query = select(NamespaceRow).where(col(NamespaceRow.ancestry).startswith(row.ancestry))
    return query.where(NamespaceRow.id != row.id).order_by(col(NamespaceRow.id))


def tree_ids(session: Session, namespace: Namespace) -> Sequence[int]:
    """The group's own id and those of all below."""
    chain = f"/{'/'.join(map(str, namespace.ancestry))}/"
    query = select(NamespaceRow.id).where(col(NamespaceRow.ancestry).startswith(chain))
    return [each for each in session.exec(query.order_by(col(NamespaceRow.id))).all() if each]


def namespaces_among(session: Session, namespace_ids: Collection[int]) -> Mapping[int, Namespace]:
    """Those of the groups that there are, by id."""
    query = select(NamespaceRow).where(col(NamespaceRow.id).in_(namespace_ids))
    return {each.id: each for each in map(namespace_of, session.exec(query).all())}


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
        .where(MemberRow.user_id == user_id, _holds(today))
        .where(col(NamespaceRow.ancestry).contains(inside))
    )


def _holds(today: date) -> ColumnElement[bool]:
    return or_(col(MemberRow.expires_on).is_(None), col(MemberRow.expires_on) > today)


def memberships(
    session: Session, user_id: int, namespace_ids: Collection[int]
) -> Sequence[Membership]:
    """What the user is in these groups, ended memberships too."""
    query = select(MemberRow).where(MemberRow.user_id == user_id)
    query = query.where(col(MemberRow.namespace_id).in_(namespace_ids))
    return [membership_of(row) for row in session.exec(query).all()]


def member_row(session: Session, namespace_id: int, user_id: int) -> MemberRow | None:
    """The row of a direct membership, for changing it."""
    if not 0 < user_id <= MAX_ID:
        return None
    query = select(MemberRow).where(MemberRow.namespace_id == namespace_id)
    return session.exec(query.where(MemberRow.user_id == user_id)).first()


def member_page(
    session: Session, page: Page, *, namespace_ids: Collection[int], today: date
) -> Slice[Membership]:
    """A page of who holds a role in any of the groups, with the highest they have, by user id."""
    best_first = (col(MemberRow.access_level).desc(), col(MemberRow.id).desc())
    place = func.row_number().over(partition_by=col(MemberRow.user_id), order_by=best_first)
    ranked = (
        select(MemberRow.id, place.label("place"))
        .where(col(MemberRow.namespace_id).in_(namespace_ids), _holds(today))
        .subquery()
    )
    query = select(MemberRow).join(ranked, col(MemberRow.id) == ranked.c.id)
    query = query.where(ranked.c.place == 1)
    rows = cut(session, query.order_by(col(MemberRow.user_id)), page)
    return Slice(items=[membership_of(row) for row in rows.items], page=page, total=rows.total)


def lasting_owners(session: Session, namespace_id: int) -> Collection[int]:
    """The users who own the group itself without an end."""
    query = select(MemberRow.user_id).where(MemberRow.namespace_id == namespace_id)
    query = query.where(MemberRow.access_level == AccessLevel.OWNER)
    return session.exec(query.where(col(MemberRow.expires_on).is_(None))).all()


def direct_members(session: Session, namespace_id: int) -> Collection[int]:
    """The users who are members of the group itself, ended memberships too."""
    query = select(MemberRow.user_id).where(MemberRow.namespace_id == namespace_id)
    return session.exec(query).all()


def root_memberships(session: Session, user_id: int, *, today: date) -> Sequence[NamespaceRow]:
    """The root groups that the user is a member of."""
    query = (
        select(NamespaceRow)
        .join(MemberRow, col(MemberRow.namespace_id) == col(NamespaceRow.id))
        .where(MemberRow.user_id == user_id, _holds(today))
        .where(col(NamespaceRow.parent_id).is_(None))
    )
    return session.exec(query.order_by(col(NamespaceRow.id)).limit(2)).all()


def default_row(session: Session, user_id: int) -> DefaultNamespaceRow | None:
    """The row of the group that the user chose."""
    return session.get(DefaultNamespaceRow, user_id)
