"""The rows of the audit log."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, BigInteger, Column, Integer
from sqlmodel import Field

from appliance.storage.engine import Row


class AuditEventRow(Row, table=True):
    """One entry; `sequence` has no gaps, `digest` covers the entry and `previous_digest`."""

    __tablename__ = "audit_events"

    sequence: int = Field(
        sa_column=Column(
            BigInteger().with_variant(Integer(), "sqlite"), primary_key=True, autoincrement=False
        )
    )
    happened_at: datetime = Field(index=True)
    actor_kind: str
    actor_id: str
    actor_name: str
    action: str = Field(index=True)
    target_kind: str
    target_id: str
    details: dict[str, Any] = Field(sa_column=Column(JSON, nullable=False))
    previous_digest: str
    digest: str


class AuditHeadRow(Row, table=True):
    """The one row that says where the log ends, so that a cut-off end shows."""

    __tablename__ = "audit_heads"

    id: int = Field(primary_key=True)
    sequence: int = Field(sa_column=Column(BigInteger, nullable=False))
    digest: str
