"""The rows of groups and their members."""

from datetime import date, datetime

from sqlalchemy import Column, ForeignKey, Integer, UniqueConstraint
from sqlmodel import Field

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
