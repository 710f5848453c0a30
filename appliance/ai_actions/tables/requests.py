"""The rows of requests: from the moment in which they are accepted until they are forgotten."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, Column, ForeignKey, Index, Integer, and_, func, or_, text, update
from sqlalchemy.sql import ColumnElement
from sqlmodel import Field, col, delete, select

from appliance.ai_actions.rules import (
    ENDED,
    ActionName,
    Answer,
    Ended,
    Placed,
    Request,
    RequestState,
    ResourceKind,
    ResourceRef,
    Wish,
)
from appliance.storage.engine import Row, Session

# Any number, as long as nothing else in this database locks the same one together with a user's.
ACCEPTING_LOCK = 0x0CA5E0A1


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A request that a worker still holds; `is_cancelled`: its user wants no answer any more."""

    uid: str
    is_cancelled: bool


def request_of(row: RequestRow) -> Request:
    """The row as a value."""
    assert row.id is not None  # noqa: S101  # it comes from the database
    return Request(
        id=row.id,
        uid=row.uid,
        action=cast("ActionName", row.action),
        user_id=row.user_id,
        credential_id=row.credential_id,
        client_ip=row.client_ip,
        inputs=row.inputs,
        resource=_resource(row),
        project_id=row.project_id,
        namespace_id=row.namespace_id,
        thread_id=row.thread_id,
        client_subscription_id=row.client_subscription_id,
        state=cast("RequestState", row.state),
        attempt=row.attempt,
        created_at=row.created_at,
        is_cancelled=row.is_cancelled,
    )


def _resource(row: RequestRow) -> ResourceRef | None:
    if row.resource_type is None or row.resource_id is None:
        return None
    return ResourceRef(kind=cast("ResourceKind", row.resource_type), id=row.resource_id)


def _ended(row: RequestRow) -> Ended:
    answer = Answer(
        content=row.content or "",
        code=row.code,
        errors=tuple(row.errors),
        extras=row.extras,
        is_silent=row.content is None,
    )
    return Ended(request=request_of(row), answer=answer, ended_at=row.ended_at or row.created_at)


def hold_back_others(session: Session, user_id: int) -> None:
    """Lets one request of the user be accepted at a time, until the commit."""
    # SQLite has one writer at a time anyway.
    if session.get_bind().dialect.name == "postgresql":
        locked = {"lock": ACCEPTING_LOCK, "user": user_id}
        session.execute(text("SELECT pg_advisory_xact_lock(:lock, :user)"), locked)


def count_since(session: Session, user_id: int, moment: datetime) -> int:
    """How many requests of the user were accepted since then."""
    query = select(func.count()).where(
        RequestRow.user_id == user_id, col(RequestRow.created_at) > moment
    )
    return session.exec(query).one()


def add(session: Session, wish: Wish, placed: Placed, *, uid: str, now: datetime) -> Request:
    """Stores a wish that waits for a worker."""
    row = RequestRow(
        uid=uid,
        user_id=wish.user_id,
        credential_id=wish.credential_id,
        action=wish.action,
        resource_type=wish.resource.kind if wish.resource else None,
        resource_id=wish.resource.id if wish.resource else None,
        project_id=placed.project_id,
        namespace_id=placed.namespace_id,
        thread_id=placed.thread_id,
        client_subscription_id=wish.client_subscription_id,
        platform_origin=wish.platform_origin,
        client_ip=wish.client_ip,
        inputs=dict(wish.inputs),
        state="queued",
        created_at=now,
    )
    session.add(row)
    session.flush()
    return request_of(row)


def find(session: Session, uid: str) -> Request | None:
    """The request of that name, whoever's it is."""
    row = session.exec(select(RequestRow).where(RequestRow.uid == uid)).first()
    return None if row is None else request_of(row)


def ended_among(session: Session, user_id: int, uids: Collection[str]) -> Sequence[Ended]:
    """Those of the user's requests that have ended, in the order in which they were accepted."""
    query = select(RequestRow).where(
        RequestRow.user_id == user_id,
        col(RequestRow.uid).in_(uids),
        col(RequestRow.state).in_(ENDED),
    )
    return [_ended(row) for row in session.exec(query.order_by(col(RequestRow.id)))]


def ended_since(
    session: Session, moment: datetime, *, user_ids: Collection[int], besides: str
) -> Sequence[Ended]:
    """The requests of these users that any worker but `besides` has ended since then."""
    query = select(RequestRow).where(
        col(RequestRow.ended_at) >= moment,
        col(RequestRow.user_id).in_(user_ids),
        or_(col(RequestRow.worker).is_(None), col(RequestRow.worker) != besides),
    )
    return [_ended(row) for row in session.exec(query.order_by(col(RequestRow.id)))]


def _is_free(now: datetime) -> ColumnElement[bool]:
    is_lost = and_(col(RequestRow.state) == "running", col(RequestRow.leased_until) < now)
    return or_(col(RequestRow.state) == "queued", is_lost)


def is_any_free(session: Session, *, now: datetime) -> bool:
    """Whether a request waits for a worker."""
    query = select(RequestRow.id).where(_is_free(now)).limit(1)
    return session.exec(query).first() is not None


def claim(
    session: Session,
    worker: str,
    *,
    leased_until: datetime,
    most_of_a_user: int,
    now: datetime,
    uid: str | None = None,
) -> Request | None:
    """Gives the worker the next request, or the one of `uid`; None: there is none for it.

    The user with the least under way comes first, then who asked first.
    """
    busy = (
        select(RequestRow.user_id, func.count().label("number"))
        .where(col(RequestRow.state) == "running", col(RequestRow.leased_until) >= now)
        .group_by(col(RequestRow.user_id))
        .subquery()
    )
    number = func.coalesce(busy.c.number, 0)
    query = (
        select(RequestRow)
        .outerjoin(busy, busy.c.user_id == col(RequestRow.user_id))
        .where(_is_free(now))
        .order_by(number, col(RequestRow.id))
        .limit(1)
        .with_for_update(of=RequestRow, skip_locked=True)
    )
    query = query.where(number < most_of_a_user if uid is None else col(RequestRow.uid) == uid)
    row = session.exec(query).first()
    if row is None:
        return None
    row.state = "running"
    row.worker = worker
    row.leased_until = leased_until
    row.attempt += 1
    row.started_at = row.started_at or now
    session.flush()
    return request_of(row)


def _held_by(worker: str, attempts: Mapping[str, int]) -> ColumnElement[bool]:
    return and_(
        col(RequestRow.state) == "running",
        col(RequestRow.worker) == worker,
        or_(
            *(
                and_(col(RequestRow.uid) == uid, col(RequestRow.attempt) == attempt)
                for uid, attempt in attempts.items()
            )
        ),
    )


def renew(
    session: Session, worker: str, attempts: Mapping[str, int], *, leased_until: datetime
) -> Sequence[Held]:
    """Those of the requests, by uid and attempt, that are still the worker's; for longer now."""
    held = _held_by(worker, attempts)
    session.execute(update(RequestRow).where(held).values(leased_until=leased_until))
    found = session.exec(select(RequestRow.uid, RequestRow.is_cancelled).where(held)).all()
    return [Held(uid=uid, is_cancelled=is_cancelled) for uid, is_cancelled in found]


def give_back(session: Session, worker: str, attempts: Mapping[str, int]) -> None:
    """Lets another worker have what this one holds, at once."""
    held = _held_by(worker, attempts)
    session.execute(
        update(RequestRow).where(held).values(state="queued", worker=None, leased_until=None)
    )


def end(
    session: Session, request: Request, worker: str, *, ending: Ended, state: RequestState
) -> bool:
    """Ends the request if it is still this attempt of this worker; else changes nothing."""
    answer = ending.answer
    held = _held_by(worker, {request.uid: request.attempt})
    values = {
        "state": state,
        "leased_until": None,
        "code": answer.code,
        "content": None if answer.is_silent else answer.content,
        "errors": list(answer.errors),
        "extras": dict(answer.extras),
        "inputs": {},
        "ended_at": ending.ended_at,
    }
    ended = update(RequestRow).where(held).values(**values).returning(col(RequestRow.id))
    return session.execute(ended).first() is not None


def ask_to_end(session: Session, user_id: int, uid: str) -> bool:
    """Marks a request of the user that has not ended; False: there is none of that name."""
    marked = session.execute(
        update(RequestRow)
        .where(
            col(RequestRow.user_id) == user_id,
            col(RequestRow.uid) == uid,
            col(RequestRow.state).not_in(ENDED),
        )
        .values(is_cancelled=True)
        .returning(col(RequestRow.id))
    )
    return marked.first() is not None


def forget_ended(session: Session, *, before: datetime) -> None:
    """Drops requests that ended before then."""
    session.exec(delete(RequestRow).where(col(RequestRow.ended_at) < before))
