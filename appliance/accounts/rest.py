"""Users and personal access tokens over REST, under GitLab's names; and who a request is from."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any, Literal

import anyio.to_thread
from litestar import Request, delete, get, post, put
from litestar.connection import ASGIConnection
from litestar.di import NamedDependency
from litestar.enums import ScopeType
from litestar.handlers import BaseRouteHandler
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from litestar.types import Scope as ConnectionScope
from pydantic import BaseModel, ConfigDict, StrictStr

from appliance.accounts import rules, usecases
from appliance.accounts.rules import Access, Caller, PersonalAccessToken, Profile, Scope, User
from appliance.audit.rules import Target
from appliance.audit.usecases import is_refusal_known, record_refusal
from appliance.errors import ForbiddenError
from appliance.storage.engine import Db
from appliance.storage.paging import DEFAULT_PER_PAGE, Page

Clock = Callable[[], datetime]
READING_METHODS = {"GET", "HEAD", "OPTIONS"}


class UserBody(BaseModel):
    """A user as a client describes it; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    username: StrictStr | None = None
    name: StrictStr | None = None
    email: StrictStr | None = None
    password: StrictStr | None = None
    # Litestar validates leniently, where even a StrictBool takes "yes".
    admin: Literal[True, False] | None = None
    state: Literal["active", "blocked"] | None = None

    def profile(self) -> Profile:
        """The same in the product's words."""
        return Profile(
            username=self.username,
            name=self.name,
            email=self.email,
            password=self.password,
            is_admin=self.admin,
            state=self.state,
        )


class PatBody(BaseModel):
    """A wish for a personal access token; `expires_at` is its first day without effect."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: StrictStr
    scopes: frozenset[Scope]
    expires_at: date | None = None


async def require_access(
    connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler
) -> None:
    """A Litestar guard: finds the caller, and refuses whom the route's access leaves out.

    Raises:
        UnauthorizedError, UserBlockedError, InsufficientScopeError, AdminNeededError: see `rules`.
    """
    if "access" not in handler.opt and connection.scope.get("method") == "OPTIONS":
        # The answers that Litestar adds by itself: they say which methods there are.
        return
    # Anything else that states nothing is refused: the start should not have let it through.
    access: Access = handler.opt["access"]
    if access in {Access.PUBLIC, Access.GATEWAY}:
        return
    headers = connection.headers
    pat = rules.presented_pat(headers.get("private-token"), headers.get("authorization"))
    db: Db = connection.app.state.db
    now: datetime = connection.app.state.clock()
    caller = await db.read(lambda session: usecases.authenticate(session, pat, now=now))
    # Known before anything is checked, so that the log can tell who was refused.
    connection.state.caller = caller
    is_read = connection.scope.get("method") in READING_METHODS
    rules.check_access(caller, access, is_read=is_read)
    if caller.credential.use_is_worth_noting(at=now):
        await db.write(lambda session: usecases.note_use(session, caller.credential, now=now))


async def note_refusal(error: Exception, scope: ConnectionScope) -> None:
    """A Litestar hook: the audit log tells who was refused a change, once a minute for a route."""
    caller: Caller | None = scope["state"].get("caller")
    if scope["type"] != ScopeType.HTTP or not isinstance(error, ForbiddenError) or caller is None:
        return
    if (method := scope["method"]) in READING_METHODS:
        return
    actor = caller.actor
    target = Target(kind="route", id=f"{method} {scope['path_template']}")
    db: Db = scope["litestar_app"].state.db
    now: datetime = scope["litestar_app"].state.clock()
    # Looked up first: who is refused again and again must not cost the one writer anything.
    if not await db.read(lambda session: is_refusal_known(session, actor, target, now=now)):
        await db.write(
            lambda session: record_refusal(session, error.code, actor=actor, target=target, now=now)
        )


async def provide_caller(request: Request[Any, Any, Any]) -> Caller:
    """Who the guard found; for routes that are not public."""
    caller: Caller = request.state.caller
    return caller


async def _hash(profile: Profile) -> str | None:
    rules.check_profile(profile)
    if profile.password is None:
        return None
    return await anyio.to_thread.run_sync(usecases.hash_password, profile.password)


@get("/api/v4/user", opt={"access": Access.SELF})
async def get_own_user(
    *, caller: NamedDependency[Caller], public_url: NamedDependency[str]
) -> dict[str, Any]:
    """Who the token belongs to."""
    return _show_user(caller.user, public_url)


@get("/api/v4/personal_access_tokens/self", opt={"access": Access.SELF})
async def get_own_pat(
    *, caller: NamedDependency[Caller], clock: NamedDependency[Clock]
) -> dict[str, Any]:
    """What the token is for and until when."""
    return _show_pat(caller.credential, now=clock())


@get("/api/v4/users", opt={"access": Access.ADMIN})
async def list_users(
    *,
    request: Request[Any, Any, Any],
    db: NamedDependency[Db],
    public_url: NamedDependency[str],
    page: FromQuery[int] = 1,
    per_page: FromQuery[int] = DEFAULT_PER_PAGE,
    username: FromQuery[str | None] = None,
) -> Response[list[dict[str, Any]]]:
    """All users, oldest first, or the one of that name."""
    asked = Page.asked(page, per_page)
    found = await db.read(lambda session: usecases.list_users(session, asked, username=username))
    return Response(
        [_show_user(user, public_url) for user in found.items],
        headers=found.headers(f"{public_url}{request.url.path}"),
    )


@post("/api/v4/users", opt={"access": Access.ADMIN})
async def create_user(
    *,
    data: JSONBody[UserBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
) -> dict[str, Any]:
    """Makes a user."""
    profile = data.profile()
    password_hash = await _hash(profile)
    user = await db.write(
        lambda session: usecases.create_user(
            session, profile, password_hash=password_hash, actor=caller.actor, now=clock()
        )
    )
    return _show_user(user, public_url)


@get("/api/v4/users/{user_id:int}", opt={"access": Access.ADMIN})
async def get_user(
    *, user_id: FromPath[int], db: NamedDependency[Db], public_url: NamedDependency[str]
) -> dict[str, Any]:
    """One user."""
    user = await db.read(lambda session: usecases.get_user(session, user_id))
    return _show_user(user, public_url)


@put("/api/v4/users/{user_id:int}", opt={"access": Access.ADMIN})
async def change_user(
    *,
    user_id: FromPath[int],
    data: JSONBody[UserBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
) -> dict[str, Any]:
    """Changes what the body names."""
    profile = data.profile()
    password_hash = await _hash(profile)
    user = await db.write(
        lambda session: usecases.change_user(
            session,
            user_id,
            profile,
            password_hash=password_hash,
            actor=caller.actor,
            now=clock(),
        )
    )
    return _show_user(user, public_url)


@delete("/api/v4/users/{user_id:int}", opt={"access": Access.ADMIN})
async def delete_user(
    *,
    user_id: FromPath[int],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> None:
    """Removes a user with their tokens."""
    await db.write(
        lambda session: usecases.delete_user(session, user_id, actor=caller.actor, now=clock())
    )


@post("/api/v4/users/{user_id:int}/personal_access_tokens", opt={"access": Access.ADMIN})
async def create_pat(
    *,
    user_id: FromPath[int],
    data: JSONBody[PatBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """Gives a user a personal access token; its text is shown this once."""
    wish = usecases.PatRequest(
        name=data.name,
        scopes=data.scopes,
        secret=usecases.generate_pat(),
        expires_on=data.expires_at,
    )
    now = clock()
    pat = await db.write(
        lambda session: usecases.create_pat(session, user_id, wish, actor=caller.actor, now=now)
    )
    return {**_show_pat(pat, now=now), "token": wish.secret}


def _show_user(user: User, public_url: str) -> dict[str, Any]:
    return {
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "state": user.state,
        "web_url": f"{public_url}/{user.username}",
        "email": user.email,
        "is_admin": user.is_admin,
        "created_at": user.created_at.isoformat(),
    }


def _show_pat(pat: PersonalAccessToken, *, now: datetime) -> dict[str, Any]:
    return {
        "id": pat.id,
        "name": pat.name,
        "revoked": pat.is_revoked,
        "active": pat.is_active(at=now),
        "scopes": sorted(pat.scopes),
        "user_id": pat.user_id,
        "created_at": pat.created_at.isoformat(),
        "last_used_at": pat.last_used_at.isoformat() if pat.last_used_at else None,
        "expires_at": pat.expires_on.isoformat(),
    }


handlers = (
    get_own_user,
    get_own_pat,
    list_users,
    create_user,
    get_user,
    change_user,
    delete_user,
    create_pat,
)
