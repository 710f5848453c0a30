"""The rows of requests: from the moment in which they are accepted until they are forgotten."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer
from sqlmodel import Field

from appliance.storage.engine import Row


class RequestRow(Row, table=True):
    """One request; `uid` is its name outside.

    While it is `running`, `worker` holds it until `leased_until`, for the `attempt`-th time.
    `credential_id` is the personal access token that it was asked with. `inputs` are emptied when
    it ends.
    """

    __tablename__ = "ai_requests"
    __table_args__ = (
        Index("ix_ai_requests_state", "state", "id"),
        Index("ix_ai_requests_user_id", "user_id", "created_at"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    uid: str = Field(unique=True)
    user_id: int = Field(
        sa_column=Column(Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False)
    )
    credential_id: int
    action: str
    resource_type: str | None = None
    resource_id: int | None = None
    project_id: int | None = None
    namespace_id: int | None = None
    thread_id: int | None = Field(
        default=None,
        sa_column=Column(
            Integer, ForeignKey("ai_threads.id", ondelete="CASCADE"), nullable=True, index=True
        ),
    )
    client_subscription_id: str | None = None
    platform_origin: str | None = None
    client_ip: str
    inputs: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    state: str
    attempt: int = 0
    worker: str | None = None
    leased_until: datetime | None = None
    is_cancelled: bool = False
    code: str | None = None
    content: str | None = None
    errors: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    extras: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    created_at: datetime
    started_at: datetime | None = None
    ended_at: datetime | None = Field(default=None, index=True)
