"""Who this instance is: one id for life, and the epoch of its feed."""

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlmodel import Field

from appliance.errors import ApplianceError
from appliance.storage.engine import Row, Session

ONLY_ROW = 1


class NotInitializedError(ApplianceError):
    """The database has no first contents."""

    code = "not_initialized"

    def __init__(self) -> None:
        super().__init__("This instance is empty. Run 'python -m appliance init' first.")


class IdentityRow(Row, table=True):
    """The one row that names this instance."""

    __tablename__ = "instance_identity"

    id: int = Field(primary_key=True)
    instance_id: str
    feed_epoch: int
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """`feed_epoch` grows when the database is restored, so that gateways take the older content."""

    instance_id: str
    feed_epoch: int


def read_identity(session: Session) -> Identity:
    """Who this instance is.

    Raises:
        NotInitializedError: nobody has run `init` yet.
    """
    row = session.get(IdentityRow, ONLY_ROW)
    if row is None:
        raise NotInitializedError
    return Identity(instance_id=row.instance_id, feed_epoch=row.feed_epoch)


def ensure_identity(session: Session, *, fresh_id: UUID, now: datetime) -> bool:
    """Gives a new instance its id and its first epoch; tells whether it did."""
    if session.get(IdentityRow, ONLY_ROW) is not None:
        return False
    row = IdentityRow(id=ONLY_ROW, instance_id=str(fresh_id), feed_epoch=1, created_at=now)
    session.add(row)
    session.flush()
    return True
