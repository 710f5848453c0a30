"""What people and the set-up do with users and personal access tokens."""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, datetime

from argon2 import PasswordHasher

from appliance.accounts import rules, tables
from appliance.accounts.errors import LastAdminError, TakenError, UnauthorizedError
from appliance.accounts.rules import Caller, PersonalAccessToken, Profile, Scope, User
from appliance.audit.rules import Actor, Target
from appliance.audit.usecases import record
from appliance.errors import NotFoundError
from appliance.storage.engine import Session
from appliance.storage.outbox import publish
from appliance.storage.paging import Page, Slice

TOPIC = "user"
PAT_TOPIC = "personal_access_token"
PASSWORD_RANDOM_BYTES = 18
MOST_NAMED = 5000
# As many users can be named in a query.
MOST_FOUND = 10_000
NONE: Mapping[int, int] = {}

_hasher = PasswordHasher()


@dataclass(frozen=True, slots=True, kw_only=True)
class PatRequest:
    """A wish for a personal access token; `secret` is its text, which only the caller keeps."""

    name: str
    scopes: frozenset[Scope]
    secret: str
    expires_on: date | None = None

    def __repr__(self) -> str:
        return f"PatRequest(name={self.name!r})"


def hash_password(password: str) -> str:
    """Argon2id; takes about a tenth of a second, so never on an event loop or in a transaction."""
    return _hasher.hash(password)


def generate_password() -> str:
    """A password nobody has to think up, of 144 random bits."""
    return secrets.token_urlsafe(PASSWORD_RANDOM_BYTES)


def generate_pat() -> str:
    """The text of a fresh personal access token."""
    return rules.format_pat(secrets.token_bytes(rules.PAT_RANDOM_BYTES))


def authenticate(session: Session, pat: str, *, now: datetime) -> Caller:
    """Who presents the well-formed token `pat`.

    Raises:
        UnauthorizedError: nobody has it, or it is revoked or expired.
        UserBlockedError: its user is blocked.
    """
    found = tables.find_credential(session, rules.pat_digest(pat))
    if found is None:
        raise UnauthorizedError(reason="credential_unknown")
    caller = Caller(user=found[0], credential=found[1])
    rules.check_credential(caller, at=now)
    return caller


def find_caller(session: Session, pat_id: int) -> Caller | None:
    """Who has the personal access token of that number, whether it works or not."""
    found = tables.find_credential_numbered(session, pat_id)
    return None if found is None else Caller(user=found[0], credential=found[1])


def note_use(session: Session, credential: PersonalAccessToken, *, now: datetime) -> None:
    """Remembers that a token is in use."""
    tables.note_use(session, credential.id, now=now)


def list_users(session: Session, page: Page, *, username: str | None = None) -> Slice[User]:
    """A page of users, oldest first."""
    if username is not None and not rules.USERNAME.fullmatch(username):
        return Slice(items=(), page=page, total=0)
    return tables.user_page(session, page, username=username)


def all_user_ids(session: Session) -> set[int]:
    """The numbers of all users, blocked or not."""
    return {each for each in tables.all_user_ids(session) if each is not None}


def get_user(session: Session, user_id: int) -> User:
    """One user.

    Raises:
        NotFoundError: no such user.
    """
    return tables.user_of(_row(session, user_id))


def users_among(session: Session, user_ids: Collection[int]) -> Mapping[int, User]:
    """Those of the users that there are, by id."""
    return tables.users_among(session, user_ids)


def users_like(session: Session, text: str) -> Collection[int]:
    """The users in whose name or username that text is; at most the ten thousand oldest."""
    return tables.user_ids_like(session, text, at_most=MOST_FOUND)


def get_user_named(session: Session, username: str) -> User:
    """The user with that name, whatever its case.

    Raises:
        NotFoundError: no such user.
    """
    row = tables.user_row_named(session, username)
    if row is None:
        raise NotFoundError(what="User")
    return tables.user_of(row)


def create_user(
    session: Session, profile: Profile, *, password_hash: str | None, actor: Actor, now: datetime
) -> User:
    """Makes a user.

    Raises:
        InvalidFieldsError: a field is missing or cannot be used.
        TakenError: the username or email belongs to somebody.
    """
    new = rules.complete(profile)
    rules.check_profile(profile)
    _check_free(session, profile, besides=None)
    row = tables.UserRow(
        username=new.username,
        username_key=tables.fold(new.username),
        name=new.name,
        email=new.email,
        email_key=tables.fold(new.email),
        state=new.state,
        is_admin=new.is_admin,
        password_hash=password_hash,
        last_blocked_at=now if rules.becomes_blocked(None, new.state) else None,
        created_at=now,
        updated_at=now,
    )
    session.add(row)
    session.flush()
    user = tables.user_of(row)
    _tell(session, "created", now=now)
    details = {"username": user.username, "is_admin": user.is_admin, "state": user.state}
    record(session, "user_created", actor=actor, target=_target(user), details=details, now=now)
    return user


def change_user(
    session: Session,
    user_id: int,
    profile: Profile,
    *,
    password_hash: str | None,
    actor: Actor,
    now: datetime,
) -> User:
    """Changes what `profile` names; a change of role or state raises the grant generation.

    Raises:
        NotFoundError: no such user.
        InvalidFieldsError: a field cannot be used.
        TakenError: the username or email belongs to somebody else.
        LastAdminError: no active admin would be left.
    """
    row = _row(session, user_id)
    before = tables.user_of(row)
    rules.check_profile(profile)
    _check_free(session, profile, besides=user_id)
    if rules.stops_being_active_admin(before, profile):
        _check_another_admin(session)
    if profile.username is not None:
        row.username, row.username_key = profile.username, tables.fold(profile.username)
    if profile.email is not None:
        row.email, row.email_key = profile.email, tables.fold(profile.email)
    row.name = profile.name if profile.name is not None else row.name
    row.is_admin = profile.is_admin if profile.is_admin is not None else row.is_admin
    row.state = profile.state or row.state
    is_blocked = rules.becomes_blocked(before, tables.user_of(row).state)
    row.last_blocked_at = now if is_blocked else row.last_blocked_at
    row.password_hash = password_hash or row.password_hash
    is_stale = rules.grant_changes(before, profile)
    row.grant_generation += int(is_stale)
    row.updated_at = now
    session.flush()
    after = tables.user_of(row)
    generations = {after.id: after.grant_generation} if is_stale else NONE
    _tell(session, "changed", generations, ends_streams=is_blocked, now=now)
    details = rules.change_details(before, after, has_new_password=password_hash is not None)
    record(session, "user_changed", actor=actor, target=_target(after), details=details, now=now)
    return after


def delete_user(session: Session, user_id: int, *, actor: Actor, now: datetime) -> None:
    """Removes a user and their personal access tokens.

    Raises:
        NotFoundError: no such user.
        LastAdminError: no active admin would be left.
    """
    row = _row(session, user_id)
    user = tables.user_of(row)
    if rules.is_active_admin(user):
        _check_another_admin(session)
    session.delete(row)
    session.flush()
    gone = {user.id: user.grant_generation + 1}
    _tell(session, "deleted", gone, ends_streams=True, now=now)
    details = {"username": user.username}
    record(session, "user_deleted", actor=actor, target=_target(user), details=details, now=now)


def raise_generation(session: Session, user_ids: Collection[int] | None, *, now: datetime) -> None:
    """What these users may do has changed, None for all: access tokens in hand become stale.

    Where very many are named all tokens do: each gateway would have to be told of every one.
    """
    if user_ids is None or len(user_ids) > MOST_NAMED:
        era = rules.next_era(tables.era(session), now=now)
        tables.set_era(session, era)
        publish(session, TOPIC, {"change": "era", "era": era}, now=now)
    elif user_ids:
        _tell(session, "grants", tables.raise_generations(session, user_ids), now=now)


def grant_era(session: Session) -> int:
    """The instance's own grant generation: raised by changes that concern everyone."""
    return tables.era(session)


def create_pat(
    session: Session, user_id: int, request: PatRequest, *, actor: Actor, now: datetime
) -> PersonalAccessToken:
    """Gives a user a personal access token; without an end it works for a year.

    Raises:
        NotFoundError: no such user.
        InvalidFieldsError: a field cannot be used.
    """
    expires_on = request.expires_on or now.date() + rules.PAT_LIFETIME
    rules.check_pat_request(request.name, request.scopes, expires_on=expires_on, today=now.date())
    user = get_user(session, user_id)
    new = tables.NewPat(
        user_id=user.id,
        name=request.name,
        digest=rules.pat_digest(request.secret),
        scopes=request.scopes,
        expires_on=expires_on,
    )
    pat = tables.add_pat(session, new, now=now)
    details = {
        "name": pat.name,
        "scopes": sorted(pat.scopes),
        "expires_at": pat.expires_on.isoformat(),
        "user_id": user.id,
    }
    payload = {"id": pat.id, "user_id": user.id, "change": "created"}
    publish(session, PAT_TOPIC, payload, now=now)
    target = Target(kind="personal_access_token", id=str(pat.id))
    record(session, "access_token_created", actor=actor, target=target, details=details, now=now)
    return pat


def list_pats(
    session: Session, page: Page, *, user_id: int | None, is_active: bool | None, now: datetime
) -> Slice[PersonalAccessToken]:
    """A page of a user's personal access tokens, None for everyone's, oldest first.

    `is_active` leaves only those that work now, or only those that do not.
    """
    return tables.pat_page(session, page, user_id=user_id, is_active=is_active, today=now.date())


def get_pat(session: Session, pat_id: int, *, user_id: int | None) -> PersonalAccessToken:
    """One personal access token, of that user or, for None, of anybody.

    Raises:
        NotFoundError: no such token, or another's.
    """
    return tables.pat_of(_pat_row(session, pat_id, user_id=user_id))


def revoke_pat(
    session: Session, user_id: int | None, pat_id: int, *, actor: Actor, now: datetime
) -> PersonalAccessToken:
    """Ends a personal access token, of that user or of anybody, and what was obtained with it.

    Raises:
        NotFoundError: no such token, or another's.
    """
    row = _pat_row(session, pat_id, user_id=user_id)
    if row.is_revoked:
        return tables.pat_of(row)
    row.is_revoked = True
    session.flush()
    pat = tables.pat_of(row)
    payload = {"id": pat.id, "user_id": pat.user_id, "change": "revoked"}
    publish(session, PAT_TOPIC, payload, now=now)
    details = {"name": pat.name, "user_id": pat.user_id}
    target = Target(kind="personal_access_token", id=str(pat.id))
    record(session, "access_token_revoked", actor=actor, target=target, details=details, now=now)
    return pat


def _pat_row(
    session: Session, pat_id: int, *, user_id: int | None
) -> tables.PersonalAccessTokenRow:
    row = tables.pat_row(session, pat_id)
    if row is None or user_id not in {None, row.user_id}:
        raise NotFoundError(what="Personal access token")
    return row


def _row(session: Session, user_id: int) -> tables.UserRow:
    row = tables.user_row(session, user_id)
    if row is None:
        raise NotFoundError(what="User")
    return row


def _check_free(session: Session, profile: Profile, *, besides: int | None) -> None:
    taken = tables.taken_field(
        session, username=profile.username, email=profile.email, besides=besides
    )
    if taken is not None:
        raise TakenError(taken)


def _target(user: User) -> Target:
    return Target(kind="user", id=str(user.id))


def _check_another_admin(session: Session) -> None:
    if tables.count_active_admins(session) <= 1:
        raise LastAdminError


def _tell(
    session: Session,
    change: str,
    generations: Mapping[int, int] = NONE,
    *,
    ends_streams: bool = False,
    now: datetime,
) -> None:
    # What gateways must know: from which generation on a user's access tokens count.
    named = {str(user_id): generation for user_id, generation in generations.items()}
    payload = {"change": change, "generations": named, "ends_streams": ends_streams}
    publish(session, TOPIC, payload, now=now)
