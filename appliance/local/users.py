"""Admin work by who is logged in to the machine itself, so that an admin is never locked out."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any, TypeVar

from appliance.accounts import usecases
from appliance.accounts.rules import PersonalAccessToken, Profile, Scope, UserState
from appliance.audit.rules import SYSTEM
from appliance.clock import utc_now
from appliance.errors import InvalidFieldsError
from appliance.opening import open_database
from appliance.settings import Settings
from appliance.storage.engine import Session
from appliance.storage.paging import MAX_PER_PAGE, Page

T = TypeVar("T")


def create(
    settings: Settings, username: str, *, name: str, email: str, is_admin: bool
) -> dict[str, Any]:
    """Makes a user with a generated password, which is in the answer.

    Raises:
        ApplianceError: the user cannot be made.
    """
    password = usecases.generate_password()
    profile = Profile(username=username, name=name, email=email, is_admin=is_admin)
    hashed = usecases.hash_password(password)
    user = _write(
        settings,
        lambda session: usecases.create_user(
            session, profile, password_hash=hashed, actor=SYSTEM, now=utc_now()
        ),
    )
    return {"id": user.id, "username": user.username, "password": password}


def reset_password(settings: Settings, username: str) -> dict[str, Any]:
    """Gives a user a generated password, which is in the answer.

    Raises:
        NotFoundError: no such user.
    """
    password = usecases.generate_password()
    hashed = usecases.hash_password(password)

    def reset(session: Session) -> str:
        user = usecases.get_user_named(session, username)
        changed = usecases.change_user(
            session, user.id, Profile(), password_hash=hashed, actor=SYSTEM, now=utc_now()
        )
        return changed.username

    return {"username": _write(settings, reset), "password": password}


def create_pat(
    settings: Settings, username: str, *, name: str, scopes: Sequence[str], days: int
) -> dict[str, Any]:
    """Gives a user a personal access token, which is in the answer.

    Raises:
        ApplianceError: no such user, or no such token can be made.
    """
    now = utc_now()
    wish = usecases.PatRequest(
        name=name,
        scopes=_scopes(scopes),
        secret=usecases.generate_pat(),
        expires_on=now.date() + timedelta(days=days),
    )

    def make(session: Session) -> dict[str, Any]:
        user = usecases.get_user_named(session, username)
        pat = usecases.create_pat(session, user.id, wish, actor=SYSTEM, now=now)
        return {
            "username": user.username,
            "token": wish.secret,
            "scopes": sorted(pat.scopes),
            "expires_at": pat.expires_on.isoformat(),
        }

    return _write(settings, make)


def set_state(settings: Settings, username: str, state: UserState) -> dict[str, Any]:
    """Blocks a user, with all that they were given, or lets them work again.

    Raises:
        NotFoundError: no such user.
        LastAdminError: no active admin would be left.
    """

    def change(session: Session) -> dict[str, Any]:
        user = usecases.get_user_named(session, username)
        profile = Profile(state=state)
        changed = usecases.change_user(
            session, user.id, profile, password_hash=None, actor=SYSTEM, now=utc_now()
        )
        return {"username": changed.username, "state": changed.state}

    return _write(settings, change)


def delete(settings: Settings, username: str) -> dict[str, Any]:
    """Removes a user with their tokens.

    Raises:
        NotFoundError: no such user.
        LastAdminError: no active admin would be left.
    """

    def remove(session: Session) -> dict[str, Any]:
        user = usecases.get_user_named(session, username)
        usecases.delete_user(session, user.id, actor=SYSTEM, now=utc_now())
        return {"username": user.username, "state": "deleted"}

    return _write(settings, remove)


def list_pats(settings: Settings, username: str) -> list[dict[str, Any]]:
    """A user's personal access tokens, oldest first; not their texts, which nobody has.

    Raises:
        NotFoundError: no such user.
    """
    now = utc_now()

    def look(session: Session) -> list[dict[str, Any]]:
        user = usecases.get_user_named(session, username)
        found: list[PersonalAccessToken] = []
        while True:
            page = Page.asked(len(found) // MAX_PER_PAGE + 1, MAX_PER_PAGE)
            part = usecases.list_pats(session, page, user_id=user.id, is_active=None, now=now)
            found += part.items
            if len(found) >= part.total:
                return [_show(pat, now=now) for pat in found]

    return _write(settings, look)


def revoke_pat(settings: Settings, number: int) -> dict[str, Any]:
    """Ends a personal access token and all that was obtained with it.

    Raises:
        NotFoundError: no such token.
    """
    now = utc_now()
    pat = _write(
        settings,
        lambda session: usecases.revoke_pat(session, None, number, actor=SYSTEM, now=now),
    )
    return _show(pat, now=now)


def _show(pat: PersonalAccessToken, *, now: datetime) -> dict[str, Any]:
    return {
        "id": pat.id,
        "name": pat.name,
        "scopes": sorted(pat.scopes),
        "active": pat.is_active(at=now),
        "revoked": pat.is_revoked,
        "expires_at": pat.expires_on.isoformat(),
        "last_used_at": pat.last_used_at.isoformat() if pat.last_used_at else None,
    }


def _scopes(names: Sequence[str]) -> frozenset[Scope]:
    unknown = set(names) - set(Scope)
    if unknown:
        raise InvalidFieldsError({"scopes": f"must be from {', '.join(Scope)}"})
    return frozenset(Scope(name) for name in names)


def _write(settings: Settings, work: Callable[[Session], T]) -> T:
    db = open_database(settings)
    try:
        return db.write_blocking(work)
    finally:
        db.close()
