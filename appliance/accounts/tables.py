"""The rows of users and personal access tokens."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import cast

from sqlalchemy import BigInteger, Column, ColumnElement, ForeignKey, Integer, and_, func, not_
from sqlmodel import Field, col, or_, select, update

from appliance.accounts.rules import PersonalAccessToken, Scope, User, UserState
from appliance.storage.engine import MAX_ID, Row, Session
from appliance.storage.paging import Page, Slice, cut

ONLY_ROW = 1


class UserRow(Row, table=True):
    """A user; `username_key` and `email_key` are folded, so that case makes no second user."""

    __tablename__ = "users"
    # A deleted user's number must not come back: tokens and events name it.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  # SQLAlchemy's own name

    id: int | None = Field(default=None, primary_key=True)
    username: str
    username_key: str = Field(unique=True)
    name: str
    email: str
    email_key: str = Field(unique=True)
    state: str
    is_admin: bool
    grant_generation: int = 0
    # Kept after unblocking: what the user held before then does not come back by itself.
    last_blocked_at: datetime | None = None
    password_hash: str | None = None
    created_at: datetime
    updated_at: datetime


class PersonalAccessTokenRow(Row, table=True):
    """A credential; `digest` is SHA-256 of the whole text, `scopes` is space-separated."""

    __tablename__ = "personal_access_tokens"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  # SQLAlchemy's own name

    id: int | None = Field(default=None, primary_key=True)
    user_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True
        )
    )
    name: str
    digest: str = Field(unique=True)
    scopes: str
    created_at: datetime
    expires_on: date
    last_used_at: datetime | None = None
    is_revoked: bool = False


class GrantEraRow(Row, table=True):
    """The one row of the instance's own grant generation, for changes that concern everyone.

    In milliseconds since the epoch, but never less than one more than before: after a restore it
    is above all that was handed out.
    """

    __tablename__ = "grant_eras"

    id: int = Field(primary_key=True)
    era: int = Field(sa_column=Column(BigInteger, nullable=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPat:
    """A personal access token on its way into the table."""

    user_id: int
    name: str
    digest: str
    scopes: frozenset[Scope]
    expires_on: date


def fold(text: str) -> str:
    """The form in which two usernames or emails count as one."""
    return text.casefold()


def user_of(row: UserRow) -> User:
    """The row as a value."""
    assert row.id is not None  # noqa: S101  # it comes from the database
    return User(
        id=row.id,
        username=row.username,
        name=row.name,
        email=row.email,
        state=cast("UserState", row.state),
        is_admin=row.is_admin,
        grant_generation=row.grant_generation,
        created_at=row.created_at,
        last_blocked_at=row.last_blocked_at,
    )


def pat_of(row: PersonalAccessTokenRow) -> PersonalAccessToken:
    """The row as a value, without its digest."""
    assert row.id is not None  # noqa: S101  # it comes from the database
    return PersonalAccessToken(
        id=row.id,
        user_id=row.user_id,
        name=row.name,
        scopes=frozenset(Scope(scope) for scope in row.scopes.split()),
        created_at=row.created_at,
        expires_on=row.expires_on,
        last_used_at=row.last_used_at,
        is_revoked=row.is_revoked,
    )


def user_row(session: Session, user_id: int) -> UserRow | None:
    """The user's row, for changing it."""
    return session.get(UserRow, user_id) if 0 < user_id <= MAX_ID else None


def users_among(session: Session, user_ids: Collection[int]) -> Mapping[int, User]:
    """Those of the users that there are, by id."""
    found = session.exec(select(UserRow).where(col(UserRow.id).in_(user_ids))).all()
    return {user.id: user for user in map(user_of, found)}


def user_ids_like(session: Session, text: str, *, at_most: int) -> Collection[int]:
    """The users in whose name or username that text is, whatever its case; the oldest first."""
    folded = fold(text.replace("\0", ""))
    query = select(UserRow.id).where(
        or_(
            col(UserRow.username_key).contains(folded, autoescape=True),
            func.lower(UserRow.name).contains(folded, autoescape=True),
        )
    )
    found = session.exec(query.order_by(col(UserRow.id)).limit(at_most)).all()
    return [each for each in found if each is not None]


def user_row_named(session: Session, username: str) -> UserRow | None:
    """The row of the user with that name, whatever its case."""
    return session.exec(select(UserRow).where(UserRow.username_key == fold(username))).first()


def taken_field(
    session: Session, *, username: str | None, email: str | None, besides: int | None
) -> str | None:
    """Which of the two another user than `besides` already has."""
    for field, column, text in (
        ("username", UserRow.username_key, username),
        ("email", UserRow.email_key, email),
    ):
        if text is not None:
            found = session.exec(select(UserRow.id).where(column == fold(text))).first()
            if found is not None and found != besides:
                return field
    return None


def user_page(session: Session, page: Page, *, username: str | None) -> Slice[User]:
    """A page of all users, or of the one with that name, oldest first."""
    query = select(UserRow).order_by(col(UserRow.id))
    if username is not None:
        query = query.where(UserRow.username_key == fold(username))
    rows = cut(session, query, page)
    return Slice(items=[user_of(row) for row in rows.items], page=page, total=rows.total)


def all_user_ids(session: Session) -> Sequence[int | None]:
    """The numbers of all users."""
    return session.exec(select(UserRow.id)).all()


def count_active_admins(session: Session) -> int:
    """How many users can administer the instance."""
    query = select(func.count()).select_from(UserRow)
    return session.exec(query.where(col(UserRow.is_admin), UserRow.state == "active")).one()


def raise_generations(session: Session, user_ids: Collection[int]) -> dict[int, int]:
    """Makes the access tokens of these users stale; returns the generation that each has now."""
    change = update(UserRow).where(col(UserRow.id).in_(user_ids))
    raised = change.values(grant_generation=UserRow.grant_generation + 1)
    rows = session.execute(raised.returning(col(UserRow.id), col(UserRow.grant_generation)))
    return {row[0]: row[1] for row in rows}


def era(session: Session) -> int:
    """The instance's own grant generation; 0 before its first change."""
    return session.exec(select(GrantEraRow.era)).first() or 0


def set_era(session: Session, value: int) -> None:
    """Notes the instance's own grant generation."""
    session.merge(GrantEraRow(id=ONLY_ROW, era=value))
    session.flush()


def add_pat(session: Session, new: NewPat, *, now: datetime) -> PersonalAccessToken:
    """Stores a personal access token."""
    row = PersonalAccessTokenRow(
        user_id=new.user_id,
        name=new.name,
        digest=new.digest,
        scopes=" ".join(sorted(new.scopes)),
        created_at=now,
        expires_on=new.expires_on,
    )
    session.add(row)
    session.flush()
    return pat_of(row)


def find_credential(session: Session, digest: str) -> tuple[User, PersonalAccessToken] | None:
    """The token with that digest, and whose it is."""
    return _credential(session, col(PersonalAccessTokenRow.digest) == digest)


def find_credential_numbered(
    session: Session, pat_id: int
) -> tuple[User, PersonalAccessToken] | None:
    """The token with that number, and whose it is; any number may be asked for."""
    if not 0 < pat_id <= MAX_ID:
        return None
    return _credential(session, col(PersonalAccessTokenRow.id) == pat_id)


def _credential(
    session: Session, is_meant: ColumnElement[bool]
) -> tuple[User, PersonalAccessToken] | None:
    query = (
        select(UserRow, PersonalAccessTokenRow)
        .where(is_meant)
        .where(UserRow.id == PersonalAccessTokenRow.user_id)
    )
    found: Sequence[tuple[UserRow, PersonalAccessTokenRow]] = session.exec(query).all()
    return (user_of(found[0][0]), pat_of(found[0][1])) if found else None


def pat_row(session: Session, pat_id: int) -> PersonalAccessTokenRow | None:
    """The row of a token, for changing it."""
    return session.get(PersonalAccessTokenRow, pat_id) if 0 < pat_id <= MAX_ID else None


def pat_page(
    session: Session, page: Page, *, user_id: int | None, is_active: bool | None, today: date
) -> Slice[PersonalAccessToken]:
    """A page of the tokens of a user, or of all, oldest first."""
    row = PersonalAccessTokenRow
    query = select(row).order_by(col(row.id))
    if user_id is not None:
        query = query.where(row.user_id == user_id)
    if is_active is not None:
        works = and_(col(row.is_revoked).is_(False), col(row.expires_on) > today)
        query = query.where(works if is_active else not_(works))
    rows = cut(session, query, page)
    return Slice(items=[pat_of(each) for each in rows.items], page=page, total=rows.total)


def note_use(session: Session, pat_id: int, *, now: datetime) -> None:
    """Sets when a token was last used."""
    change = update(PersonalAccessTokenRow).where(col(PersonalAccessTokenRow.id) == pat_id)
    session.exec(change.values(last_used_at=now))
