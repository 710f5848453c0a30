"""Personal access tokens over REST, under GitLab's names."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Annotated, Any, Literal

from litestar import Request, delete, get, post
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody, QueryParameter
from litestar.response import Response
from pydantic import BaseModel, ConfigDict, StrictStr

from appliance.accounts import usecases
from appliance.accounts.errors import AdminNeededError
from appliance.accounts.rules import Access, Caller, PersonalAccessToken, Scope
from appliance.storage.engine import Db, Session
from appliance.storage.paging import Page, Slice

Clock = Callable[[], datetime]
# By itself `state` would be Litestar's own.
Wanted = Annotated[Literal["active", "inactive"] | None, QueryParameter(name="state")]
FindPats = Callable[[Session, Page], Slice[PersonalAccessToken]]
PATH = "/api/v4/personal_access_tokens"
ONE = f"{PATH}/{{pat_id:int}}"


class PatBody(BaseModel):
    """A wish for a personal access token; `expires_at` is its first day without effect."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: StrictStr
    scopes: frozenset[Scope]
    expires_at: date | None = None


def _reach(caller: Caller) -> int | None:
    # Whose tokens the caller may see and end; None: everyone's.
    return None if caller.user.is_admin else caller.user.id


@get("/api/v4/personal_access_tokens/self", opt={"access": Access.SELF})
async def get_own_pat(
    *, caller: NamedDependency[Caller], clock: NamedDependency[Clock]
) -> dict[str, Any]:
    """What the token is for and until when."""
    return _show_pat(caller.credential, now=clock())


async def provide_find_pats(
    *,
    caller: NamedDependency[Caller],
    clock: NamedDependency[Clock],
    user_id: FromQuery[int | None] = None,
    wanted: Wanted = None,
) -> FindPats:
    """Finds the tokens that are asked for; an admin who names nobody means everyone's.

    Raises:
        AdminNeededError: somebody else's, and the caller is no admin.
    """
    owner = _reach(caller) if user_id is None else user_id
    if owner != caller.user.id and not caller.user.is_admin:
        raise AdminNeededError
    is_active = None if wanted is None else wanted == "active"
    return lambda session, page: usecases.list_pats(
        session, page, user_id=owner, is_active=is_active, now=clock()
    )


@get(PATH, opt={"access": Access.API}, dependencies={"find_pats": Provide(provide_find_pats)})
async def list_pats(
    *,
    request: Request[Any, Any, Any],
    find_pats: NamedDependency[FindPats],
    asked: NamedDependency[Page],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
) -> Response[list[dict[str, Any]]]:
    """The caller's tokens, or for an admin everyone's, oldest first."""
    found = await db.read(lambda session: find_pats(session, asked))
    return Response(
        [_show_pat(pat, now=clock()) for pat in found.items],
        headers=found.headers(f"{public_url}{request.url.path}"),
    )


@get(ONE, opt={"access": Access.API})
async def get_pat(
    *,
    pat_id: FromPath[int],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """One of the caller's tokens, or for an admin anybody's."""
    pat = await db.read(lambda session: usecases.get_pat(session, pat_id, user_id=_reach(caller)))
    return _show_pat(pat, now=clock())


@delete(f"{PATH}/self", opt={"access": Access.SELF})
async def revoke_own_pat(
    *, caller: NamedDependency[Caller], db: NamedDependency[Db], clock: NamedDependency[Clock]
) -> None:
    """Ends the token that it is asked with."""
    used = caller.credential
    await db.write(
        lambda session: usecases.revoke_pat(
            session, used.user_id, used.id, actor=caller.actor, now=clock()
        )
    )


@delete(ONE, opt={"access": Access.API})
async def revoke_pat(
    *,
    pat_id: FromPath[int],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> None:
    """Ends one of the caller's tokens, or for an admin anybody's."""
    await db.write(
        lambda session: usecases.revoke_pat(
            session, _reach(caller), pat_id, actor=caller.actor, now=clock()
        )
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


handlers = (get_own_pat, list_pats, get_pat, revoke_own_pat, revoke_pat, create_pat)
