"""The rows of licence authorities, licences, purchases and seats."""

from datetime import datetime

from sqlalchemy import Column, ForeignKey, Integer, String, UniqueConstraint
from sqlmodel import Field

from appliance.storage.engine import Row


class AuthorityRow(Row, table=True):
    """A key that may sign licences, by its fingerprint; at most one is `trusted` at a time."""

    __tablename__ = "licence_authorities"

    fingerprint: str = Field(primary_key=True)
    public_key: bytes
    is_demo: bool
    is_trusted: bool
    pinned_at: datetime
    replaced_at: datetime | None = None


class LicenceRow(Row, table=True):
    """A licence file as it came; `serial` is the document's own id, which is taken once."""

    __tablename__ = "licences"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  # SQLAlchemy's own name

    id: int | None = Field(default=None, primary_key=True)
    serial: str = Field(unique=True)
    authority: str = Field(
        sa_column=Column(String, ForeignKey("licence_authorities.fingerprint"), nullable=False)
    )
    licensee: str
    text: str
    issued_at: datetime
    uploaded_at: datetime
    uploaded_by: int | None = None
    removed_at: datetime | None = None


class PurchaseRow(Row, table=True):
    """An add-on owned by the instance (`root_namespace_id` None) or by one root group.

    One row for all licences that buy the same add-on for the same owner: seats belong to it.
    """

    __tablename__ = "add_on_purchases"
    __table_args__ = (
        UniqueConstraint("owner_key"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    add_on: str
    root_namespace_id: int | None = Field(
        default=None,
        sa_column=Column(
            Integer, ForeignKey("namespaces.id", ondelete="RESTRICT"), nullable=True, index=True
        ),
    )
    # `ADD-ON:ROOT` with 0 for the instance: NULLs would not collide in a unique constraint.
    owner_key: str
    created_at: datetime


class LicenceItemRow(Row, table=True):
    """What one licence adds to a purchase, from `starts_at` up to but not at `ends_at`."""

    __tablename__ = "licence_items"

    id: int | None = Field(default=None, primary_key=True)
    licence_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("licences.id", ondelete="CASCADE"), nullable=False, index=True
        )
    )
    purchase_id: int = Field(
        sa_column=Column(
            Integer,
            ForeignKey("add_on_purchases.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        )
    )
    quantity: int
    starts_at: datetime
    ends_at: datetime
    grace_ends_at: datetime
    # The add-on that a self-hosting purchase goes with.
    accompanies: str | None = None


class SeatRow(Row, table=True):
    """A user's place in a purchase; the lower id was given first.

    It is void, and frees its place, once the user was blocked after `given_at`.
    """

    __tablename__ = "seats"
    __table_args__ = (
        UniqueConstraint("purchase_id", "user_id"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    purchase_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("add_on_purchases.id", ondelete="CASCADE"), nullable=False
        )
    )
    user_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True
        )
    )
    given_at: datetime
    given_by: int | None = None


class LicenceClockRow(Row, table=True):
    """The one row that remembers the latest time seen, against a clock that is set back."""

    __tablename__ = "licence_clock"

    id: int = Field(primary_key=True)
    latest_at: datetime
