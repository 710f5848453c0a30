"""The rows of signing keys, and of the names under which users are known outside."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from sqlalchemy import Column, ForeignKey, Index, Integer, text
from sqlmodel import Field, col, delete, select, update

from appliance.access_tokens.rules import PUBLISHED, KeyState, PublicKey, SigningKey
from appliance.storage.engine import Row, Session
from appliance.storage.sealing import Place


class SigningKeyRow(Row, table=True):
    """A signing key; the private half is sealed, and forgotten when the key signs no more."""

    __tablename__ = "signing_keys"
    __table_args__ = (
        Index(
            "uq_signing_keys_one_current",
            "state",
            unique=True,
            sqlite_where=text("state = 'current'"),
            postgresql_where=text("state = 'current'"),
        ),
    )

    kid: str = Field(primary_key=True)
    state: str
    public_n: str
    public_e: str
    sealed_private_key: bytes
    created_at: datetime
    # When it began to sign, and when it ended: retired, or dead.
    signs_since: datetime | None = None
    ended_at: datetime | None = None


class GlobalUserIdRow(Row, table=True):
    """A user's name outside of the instance, which nobody can compute backwards."""

    __tablename__ = "global_user_ids"

    user_id: int = Field(
        sa_column=Column(Integer, ForeignKey("users.id", ondelete="CASCADE"), primary_key=True)
    )
    global_id: str = Field(unique=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class SealedSigningKey:
    """A signing key as it lies in the database."""

    kid: str
    sealed_private_key: bytes


def place_of(kid: str) -> Place:
    """What a private key's seal is bound to."""
    return Place(table=SigningKeyRow.__tablename__, column="sealed_private_key", row=kid)


def current_key(session: Session) -> SealedSigningKey | None:
    """The key that signs now."""
    row = session.exec(select(SigningKeyRow).where(SigningKeyRow.state == "current")).first()
    if row is None:
        return None
    return SealedSigningKey(kid=row.kid, sealed_private_key=row.sealed_private_key)


def public_keys(session: Session) -> Sequence[PublicKey]:
    """The public halves that verifiers may trust, oldest first."""
    return [
        PublicKey(kid=row.kid, n=row.public_n, e=row.public_e)
        for row in _rows(session)
        if row.state in PUBLISHED
    ]


def signing_keys(session: Session) -> Sequence[SigningKey]:
    """All keys that are not gone, oldest first, without their halves."""
    return [
        SigningKey(
            kid=row.kid,
            state=cast("KeyState", row.state),
            created_at=row.created_at,
            signs_since=row.signs_since,
            ended_at=row.ended_at,
        )
        for row in _rows(session)
    ]


def _rows(session: Session) -> Sequence[SigningKeyRow]:
    query = select(SigningKeyRow).order_by(col(SigningKeyRow.created_at), col(SigningKeyRow.kid))
    # What a statement changed in this transaction must be seen.
    return session.exec(query, execution_options={"populate_existing": True}).all()


def add_key(
    session: Session, public: PublicKey, sealed: bytes, *, state: KeyState, now: datetime
) -> None:
    """Stores a signing key."""
    row = SigningKeyRow(
        kid=public.kid,
        state=state,
        public_n=public.n,
        public_e=public.e,
        sealed_private_key=sealed,
        created_at=now,
        signs_since=now if state == "current" else None,
    )
    session.add(row)
    session.flush()


def begin_signing(session: Session, kid: str, *, now: datetime) -> None:
    """Makes a key the current one; there must be no other."""
    change = update(SigningKeyRow).where(col(SigningKeyRow.kid) == kid)
    session.exec(change.values(state="current", signs_since=now))


def end_signing(session: Session, kid: str, *, state: KeyState, now: datetime) -> None:
    """Retires or kills a key, whose private half is of no use any more."""
    change = update(SigningKeyRow).where(col(SigningKeyRow.kid) == kid)
    session.exec(change.values(state=state, ended_at=now, sealed_private_key=b""))


def remove_key(session: Session, kid: str) -> None:
    """Forgets a key."""
    session.exec(delete(SigningKeyRow).where(col(SigningKeyRow.kid) == kid))


def not_after(session: Session, now: datetime) -> None:
    """Takes every time that lies after `now` for `now`."""
    for column in (SigningKeyRow.created_at, SigningKeyRow.signs_since, SigningKeyRow.ended_at):
        change = update(SigningKeyRow).where(col(column) > now)
        session.exec(change.values({col(column): now}))


def users_named(session: Session, global_ids: Collection[str]) -> dict[str, int]:
    """The users behind those global ids that are noted."""
    query = select(GlobalUserIdRow).where(col(GlobalUserIdRow.global_id).in_(global_ids))
    return {row.global_id: row.user_id for row in session.exec(query)}


def named_user_ids(session: Session) -> set[int]:
    """The users whose global id is noted."""
    return set(session.exec(select(GlobalUserIdRow.user_id)))


def note_global_ids(session: Session, global_ids: Mapping[int, str]) -> None:
    """Notes the global ids of these users."""
    session.add_all(
        GlobalUserIdRow(user_id=user_id, global_id=name) for user_id, name in global_ids.items()
    )
    session.flush()
