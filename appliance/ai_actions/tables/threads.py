"""The rows of chat threads and what was said in them."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Integer, UniqueConstraint
from sqlmodel import Field

from appliance.storage.engine import Row


class ThreadRow(Row, table=True):
    """A user's conversation; nothing up to the message `forgotten_until` is told to a model."""

    __tablename__ = "ai_threads"
    # A deleted thread's number must not come back: clients keep it.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  # SQLAlchemy's own name

    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True
        )
    )
    conversation_type: str
    title: str = ""
    forgotten_until: int = 0
    created_at: datetime
    updated_at: datetime


class MessageRow(Row, table=True):
    """One message of a thread; `uid` is its name outside, `role` one of AiMessageRole's.

    With the request's it is unique for each role: an answer that is given again is the same one.
    """

    __tablename__ = "ai_messages"
    __table_args__ = (
        UniqueConstraint("request_uid", "role"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    uid: str = Field(unique=True)
    thread_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("ai_threads.id", ondelete="CASCADE"), nullable=False, index=True
        )
    )
    request_uid: str
    role: str
    content: str
    errors: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    extras: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    has_feedback: bool = False
    created_at: datetime
