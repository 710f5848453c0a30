"""The rows of groups and their members."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import cast

from sqlalchemy import Column, ForeignKey, Integer, UniqueConstraint
from sqlalchemy.sql import ColumnElement
from sqlmodel import Field, col, or_

from appliance.namespaces.rules import AccessLevel, Membership, Namespace, Visibility
from appliance.storage.engine import Row


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


def chain_text(ancestry: Iterable[int]) -> str:
    """A group's chain as its row has it: the beginning of that of every group below."""
    return f"/{'/'.join(map(str, ancestry))}/"


def is_within(chain: str) -> ColumnElement[bool]:
    """Whether a group is the one of that chain, or lies below it."""
    return col(NamespaceRow.ancestry).startswith(chain)


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


def holds(today: date) -> ColumnElement[bool]:
    """Whether a membership counts on that day."""
    return or_(col(MemberRow.expires_on).is_(None), col(MemberRow.expires_on) > today)
