"""The rows of chat threads and what was said in them."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, Column, ForeignKey, Integer, UniqueConstraint, update
from sqlmodel import Field, col, delete, select

from appliance.ai_actions.rules import ENDED, Message, Role
from appliance.ai_actions.rules.chat.threads import Thread
from appliance.ai_actions.rules.values import ConversationType
from appliance.ai_actions.tables.requests import RequestRow
from appliance.storage.engine import MAX_ID, Row, Session


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which of a user's messages are asked for; None: whichever."""

    user_id: int
    request_uids: Collection[str] | None = None
    roles: Collection[Role] | None = None
    thread_id: int | None = None


def thread_of(row: ThreadRow) -> Thread:
    """The row as a value."""
    assert row.id is not None  # noqa: S101  # it comes from the database
    return Thread(
        id=row.id,
        title=row.title,
        conversation_type=cast("ConversationType", row.conversation_type),
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def message_of(row: MessageRow) -> Message:
    """The row as a value."""
    extras = {**row.extras, "hasFeedback": row.has_feedback}
    return Message(
        uid=row.uid,
        request_uid=row.request_uid,
        role=cast("Role", row.role),
        timestamp=row.created_at,
        content=row.content,
        errors=tuple(row.errors),
        extras=extras,
        thread_id=row.thread_id,
    )


def find_thread(session: Session, user_id: int, thread_id: int) -> ThreadRow | None:
    """The user's thread, for changing it; None for another's."""
    if not 0 < thread_id <= MAX_ID:
        return None
    query = select(ThreadRow).where(ThreadRow.id == thread_id, ThreadRow.user_id == user_id)
    return session.exec(query).first()


def threads_of(
    session: Session,
    user_id: int,
    *,
    conversation_type: ConversationType | None,
    limit: int,
) -> Sequence[ThreadRow]:
    """The user's threads, the one that was used last first."""
    query = select(ThreadRow).where(ThreadRow.user_id == user_id)
    if conversation_type is not None:
        query = query.where(ThreadRow.conversation_type == conversation_type)
    newest = query.order_by(col(ThreadRow.updated_at).desc(), col(ThreadRow.id).desc())
    return session.exec(newest.limit(limit)).all()


def add_thread(
    session: Session, user_id: int, *, conversation_type: ConversationType, now: datetime
) -> ThreadRow:
    """Begins a thread."""
    row = ThreadRow(
        user_id=user_id, conversation_type=conversation_type, created_at=now, updated_at=now
    )
    session.add(row)
    session.flush()
    return row


def drop_old_threads(session: Session, user_id: int, *, kept: int, before: datetime) -> None:
    """Removes the user's threads beyond the `kept` newest that were not used since `before`."""
    newest = select(ThreadRow.id).where(ThreadRow.user_id == user_id)
    newest = newest.order_by(col(ThreadRow.updated_at).desc(), col(ThreadRow.id).desc())
    there = session.exec(newest.limit(kept)).all()
    old = select(ThreadRow.id).where(
        ThreadRow.user_id == user_id,
        col(ThreadRow.id).not_in(there),
        col(ThreadRow.updated_at) < before,
    )
    for thread_id in session.exec(old).all():
        drop_thread(session, thread_id or 0)


def drop_thread(session: Session, thread_id: int) -> None:
    """Removes a thread; its requests stay for as long as they count, without what was said.

    Those that have not ended will be answered, and the answer is kept in no thread.
    """
    _blank_requests(session, thread_id)
    requests = update(RequestRow).where(col(RequestRow.thread_id) == thread_id)
    session.execute(requests.values(thread_id=None))
    session.execute(delete(ThreadRow).where(col(ThreadRow.id) == thread_id))


def _blank_requests(session: Session, thread_id: int) -> None:
    ended = update(RequestRow).where(
        col(RequestRow.thread_id) == thread_id, col(RequestRow.state).in_(ENDED)
    )
    session.execute(ended.values(content=None, errors=[], extras={}))


def drop_threads(session: Session, *, before: datetime) -> int:
    """Removes all threads that were not used since then; how many those were."""
    dropped = session.execute(delete(ThreadRow).where(col(ThreadRow.updated_at) < before))
    return int(getattr(dropped, "rowcount", 0))


def add_message(session: Session, thread_id: int, message: Message) -> MessageRow:
    """Keeps what was said."""
    row = MessageRow(
        uid=message.uid,
        thread_id=thread_id,
        request_uid=message.request_uid,
        role=message.role,
        content=message.content or "",
        errors=list(message.errors),
        extras=dict(message.extras),
        created_at=message.timestamp,
    )
    session.add(row)
    session.flush()
    return row


def messages_to(session: Session, thread_id: int, request_uid: str) -> Sequence[MessageRow]:
    """What is kept of one request: the question, and the answer once there is one."""
    query = select(MessageRow).where(
        MessageRow.thread_id == thread_id, MessageRow.request_uid == request_uid
    )
    return session.exec(query.order_by(col(MessageRow.id))).all()


def wipe(session: Session, thread_id: int) -> None:
    """Forgets all that was said in a thread."""
    _blank_requests(session, thread_id)
    session.execute(delete(MessageRow).where(col(MessageRow.thread_id) == thread_id))


def messages_among(session: Session, wanted: Wanted, *, limit: int) -> Sequence[MessageRow]:
    """The newest of what is asked for, oldest first."""
    query = select(MessageRow).join(ThreadRow).where(ThreadRow.user_id == wanted.user_id)
    if wanted.request_uids is not None:
        query = query.where(col(MessageRow.request_uid).in_(wanted.request_uids))
    if wanted.roles is not None:
        query = query.where(col(MessageRow.role).in_(wanted.roles))
    if wanted.thread_id is not None:
        query = query.where(MessageRow.thread_id == wanted.thread_id)
    newest = session.exec(query.order_by(col(MessageRow.id).desc()).limit(limit)).all()
    return newest[::-1]


def told_before(
    session: Session, thread_id: int, *, request_uid: str, limit: int
) -> Sequence[MessageRow]:
    """What was said before a request and is not forgotten, oldest first."""
    asked = select(MessageRow.id).where(
        MessageRow.thread_id == thread_id,
        MessageRow.request_uid == request_uid,
        MessageRow.role == "USER",
    )
    until = session.exec(asked).first()
    thread = session.get(ThreadRow, thread_id)
    if until is None or thread is None:
        return ()
    query = select(MessageRow).where(
        MessageRow.thread_id == thread_id,
        col(MessageRow.id) > thread.forgotten_until,
        col(MessageRow.id) < until,
    )
    return session.exec(query.order_by(col(MessageRow.id).desc()).limit(limit)).all()[::-1]


def find_message(session: Session, user_id: int, uid: str) -> MessageRow | None:
    """The message of that name, if it is in a thread of the user's."""
    query = select(MessageRow).join(ThreadRow)
    query = query.where(MessageRow.uid == uid, ThreadRow.user_id == user_id)
    return session.exec(query).first()
