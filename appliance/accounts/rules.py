"""Decides what a caller may do, and what a name, a scope or a credential must look like."""

import base64
import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Literal, assert_never

from appliance.accounts.errors import (
    AdminNeededError,
    InsufficientScopeError,
    UnauthorizedError,
    UserBlockedError,
)
from appliance.audit.rules import Actor, user_actor
from appliance.errors import InvalidFieldsError
from gateway.contract.introspection import PAT_PREFIX, is_well_formed_pat, pat_checksum

UserState = Literal["active", "blocked"]

PAT_RANDOM_BYTES = 20
PAT_LIFETIME = timedelta(days=365)
MAX_PAT_LIFETIME = timedelta(days=400)
LAST_USED_PRECISION = timedelta(minutes=5)

MAX_NAME_CHARS = 255
MIN_PASSWORD_CHARS = 12
# Argon2 itself takes more; this bounds what an anonymous caller can make us hash.
MAX_PASSWORD_CHARS = 1024
USERNAME = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,253}[A-Za-z0-9_-])?")
EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s]{1,189}")


class Scope(StrEnum):
    """What a personal access token is for."""

    API = "api"
    READ_API = "read_api"
    AI_FEATURES = "ai_features"


class Access(StrEnum):
    """Whom a route is open to; a route states exactly one.

    PUBLIC, GATEWAY and TOKEN routes ask for no personal access token: a GATEWAY route checks the
    gateway's own assertion, a TOKEN route an access token that was minted. A SOCKET route asks for
    a personal token by itself, in its protocol's way. SELF: any good personal
    token. API: tokens of the API, reading ones only for reading. AI: these, and those for AI
    features alone. ADMIN: as API, of an admin.
    """

    PUBLIC = "public"
    GATEWAY = "gateway"
    TOKEN = "token"  # noqa: S105  # a kind of route, not a credential
    SOCKET = "socket"
    SELF = "self"
    AI = "ai"
    API = "api"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class User:
    """A person or a script; `grant_generation` grows with each change of what they may do."""

    id: int
    username: str
    name: str
    email: str
    state: UserState
    is_admin: bool
    grant_generation: int
    created_at: datetime
    # The last time the user became blocked; kept when they are unblocked.
    last_blocked_at: datetime | None = None

    @property
    def actor(self) -> Actor:
        """Who it is for the audit log."""
        return user_actor(self.id, self.username)


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonalAccessToken:
    """A credential of a user, less its secret; it no longer works on `expires_on` (UTC)."""

    id: int
    user_id: int
    name: str
    scopes: frozenset[Scope]
    created_at: datetime
    expires_on: date
    last_used_at: datetime | None
    is_revoked: bool

    def is_active(self, *, at: datetime) -> bool:
        """Whether it is neither revoked nor expired at `at`, which is in UTC."""
        return not self.is_revoked and at.date() < self.expires_on

    def use_is_worth_noting(self, *, at: datetime) -> bool:
        """Whether the last use was noted long enough ago; each note is a write."""
        return self.last_used_at is None or at - self.last_used_at >= LAST_USED_PRECISION


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who speaks, and with which credential."""

    user: User
    credential: PersonalAccessToken

    @property
    def actor(self) -> Actor:
        """Who it is for the audit log."""
        return self.user.actor


def format_pat(random: bytes) -> str:
    """A personal access token of `PAT_RANDOM_BYTES` random bytes, with its checksum."""
    body = PAT_PREFIX + base64.b32encode(random).decode().lower()
    return body + pat_checksum(body)


def pat_digest(text: str) -> str:
    """What the database holds in a token's place; 160 random bits need no slow hash."""
    return hashlib.sha256(text.encode()).hexdigest()


def presented_pat(private_token: str | None, authorization: str | None) -> str:
    """The credential of a request, from `PRIVATE-TOKEN` or else `Authorization: Bearer`.

    Raises:
        UnauthorizedError: there is none, or it cannot be one of ours.
    """
    if private_token is not None:
        text = private_token
    elif authorization is not None:
        scheme, _, text = authorization.partition(" ")
        if scheme.lower() != "bearer":
            raise UnauthorizedError(reason="scheme_unknown")
    else:
        raise UnauthorizedError(reason="credential_missing")
    if not is_well_formed_pat(text := text.strip()):
        raise UnauthorizedError(reason="credential_malformed")
    return text


def check_credential(caller: Caller, *, at: datetime) -> None:
    """Passes when the token works at `at` and its user is not blocked.

    Raises:
        UnauthorizedError: revoked or expired.
        UserBlockedError: the token is good, its user is blocked.
    """
    if not caller.credential.is_active(at=at):
        raise UnauthorizedError(reason="credential_inactive")
    if caller.user.state == "blocked":
        raise UserBlockedError


def check_access(caller: Caller, access: Access, *, is_read: bool) -> None:
    """Passes when the caller may use a route with that access.

    Raises:
        InsufficientScopeError: not with this token.
        AdminNeededError: with this token, if its user were an admin.
    """
    scopes = caller.credential.scopes
    match access:
        case Access.PUBLIC | Access.GATEWAY | Access.TOKEN | Access.SOCKET | Access.SELF:
            return
        case Access.AI:
            may_read = is_read and Scope.READ_API in scopes
            if not may_read and not scopes & {Scope.API, Scope.AI_FEATURES}:
                raise InsufficientScopeError
        case Access.API | Access.ADMIN:
            if Scope.API not in scopes and not (is_read and Scope.READ_API in scopes):
                raise InsufficientScopeError
            if access is Access.ADMIN and not caller.user.is_admin:
                raise AdminNeededError
        case _:
            assert_never(access)


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """What can be said of a user and changed later; None in a change leaves it as it is."""

    username: str | None = None
    name: str | None = None
    email: str | None = None
    password: str | None = None
    is_admin: bool | None = None
    state: UserState | None = None

    def __repr__(self) -> str:
        return f"Profile(username={self.username!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class NewUser:
    """A profile with everything that a user cannot be without."""

    username: str
    name: str
    email: str
    is_admin: bool
    state: UserState


def complete(profile: Profile) -> NewUser:
    """The profile of a new user, active and no admin unless it says otherwise.

    Raises:
        InvalidFieldsError: something that a user cannot be without is missing.
    """
    match profile:
        case Profile(username=str(username), name=str(name), email=str(email)):
            return NewUser(
                username=username,
                name=name,
                email=email,
                is_admin=bool(profile.is_admin),
                state=profile.state or "active",
            )
        case _:
            needed = ("username", "name", "email")
            missing = [field for field in needed if getattr(profile, field) is None]
            raise InvalidFieldsError(dict.fromkeys(missing, "is required"))


def check_profile(profile: Profile) -> None:
    """Passes when everything that is said can be used.

    Raises:
        InvalidFieldsError: with a sentence for each field at fault.
    """
    problems = {}
    if profile.username is not None and not USERNAME.fullmatch(profile.username):
        problems["username"] = (
            "must be 1 to 255 letters, digits, '_', '-' or '.', and neither begin nor end with '.'"
        )
    if profile.name is not None and not _is_a_name(profile.name):
        problems["name"] = f"must be 1 to {MAX_NAME_CHARS} printable characters"
    if profile.email is not None and not (
        EMAIL.fullmatch(profile.email) and profile.email.isprintable()
    ):
        problems["email"] = "must be an email address"
    if profile.password is not None and not (
        MIN_PASSWORD_CHARS <= len(profile.password) <= MAX_PASSWORD_CHARS
    ):
        problems["password"] = f"must have {MIN_PASSWORD_CHARS} to {MAX_PASSWORD_CHARS} characters"
    if problems:
        raise InvalidFieldsError(problems)


def _is_a_name(text: str) -> bool:
    return 1 <= len(text.strip()) <= MAX_NAME_CHARS >= len(text) and text.isprintable()


def check_pat_request(name: str, scopes: Iterable[Scope], *, expires_on: date, today: date) -> None:
    """Passes when a personal access token of that kind can be made.

    Raises:
        InvalidFieldsError: with a sentence for each field at fault.
    """
    problems = {}
    if not _is_a_name(name):
        problems["name"] = f"must be 1 to {MAX_NAME_CHARS} printable characters"
    if not frozenset(scopes):
        problems["scopes"] = f"must name at least one of {', '.join(Scope)}"
    if not today < expires_on <= today + MAX_PAT_LIFETIME:
        problems["expires_at"] = f"must be a day in the next {MAX_PAT_LIFETIME.days} days"
    if problems:
        raise InvalidFieldsError(problems)


def grant_changes(before: User, after: Profile) -> bool:
    """Whether a change alters what the user may do, so that access tokens in hand are stale."""
    return (after.is_admin is not None and after.is_admin != before.is_admin) or (
        after.state is not None and after.state != before.state
    )


def next_era(era: int, *, now: datetime) -> int:
    """The instance's grant generation after `era`.

    The clock lifts it above all that was handed out before a restore; one that went back does not
    lower it.
    """
    return max(int(now.timestamp() * 1000), era + 1)


def is_active_admin(user: User) -> bool:
    """Whether the user can administer the instance now."""
    return user.is_admin and user.state == "active"


def stops_being_active_admin(before: User, after: Profile) -> bool:
    """Whether the change takes away an active admin."""
    return is_active_admin(before) and (after.is_admin is False or after.state == "blocked")


def becomes_blocked(before: User | None, after: UserState) -> bool:
    """Whether the user was not blocked before; None for one who was not there."""
    return after == "blocked" and (before is None or before.state != "blocked")


def change_details(before: User, after: User, *, has_new_password: bool) -> dict[str, str | bool]:
    """What a change did, for the audit log; of the password only that it changed."""
    fields = ("username", "name", "email", "is_admin", "state")
    details = {
        field: getattr(after, field)
        for field in fields
        if getattr(after, field) != getattr(before, field)
    }
    return {**details, **({"password": "changed"} if has_new_password else {})}
