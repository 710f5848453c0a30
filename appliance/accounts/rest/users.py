"""Users over REST, under GitLab's names."""

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, Literal

import anyio.to_thread
from litestar import Request, delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from pydantic import BaseModel, ConfigDict, StrictStr

from appliance.accounts import rules, usecases
from appliance.accounts.rules import Access, Caller, Profile, User, UserState
from appliance.storage.engine import Db
from appliance.storage.paging import DEFAULT_PER_PAGE, Page

Clock = Callable[[], datetime]
SetState = Callable[[UserState], Awaitable[None]]


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


async def provide_set_state(
    *,
    user_id: FromPath[int],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> SetState:
    """Blocks the user of the path, or unblocks them."""

    async def set_state(state: UserState) -> None:
        await db.write(
            lambda session: usecases.change_user(
                session,
                user_id,
                Profile(state=state),
                password_hash=None,
                actor=caller.actor,
                now=clock(),
            )
        )

    return set_state


@post(
    "/api/v4/users/{user_id:int}/block",
    opt={"access": Access.ADMIN},
    dependencies={"set_state": Provide(provide_set_state)},
)
async def block_user(*, set_state: NamedDependency[SetState]) -> bool:
    """Ends what a user may do, and all answers to them that are under way."""
    await set_state("blocked")
    return True


@post(
    "/api/v4/users/{user_id:int}/unblock",
    opt={"access": Access.ADMIN},
    dependencies={"set_state": Provide(provide_set_state)},
)
async def unblock_user(*, set_state: NamedDependency[SetState]) -> bool:
    """Lets a user work again."""
    await set_state("active")
    return True


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


handlers = (
    get_own_user,
    list_users,
    create_user,
    get_user,
    change_user,
    block_user,
    unblock_user,
    delete_user,
)
