"""Groups over REST, under GitLab's names."""

from collections.abc import Callable
from datetime import datetime
from typing import Any

from litestar import delete, get, post, put
from litestar.di import NamedDependency, Provide
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr

from appliance.accounts.rules import Access, Caller
from appliance.namespaces import usecases
from appliance.namespaces.rules import GroupChange, GroupFilter, Namespace, NewGroup, Visibility
from appliance.namespaces.usecases import Follow, Surroundings
from appliance.slashes import named
from appliance.storage.engine import Db, Session
from appliance.storage.paging import Page, Slice

Clock = Callable[[], datetime]
PATH = "/api/v4/groups"
GROUP = f"{PATH}/{{group:str}}"


class Body(BaseModel):
    """What every body holds to."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class GroupBody(Body):
    """A wish for a group; without `parent_id` it is a root."""

    name: StrictStr
    path: StrictStr
    parent_id: StrictInt | None = None
    description: StrictStr | None = None
    visibility: Visibility = "private"

    def new(self) -> NewGroup:
        """The same in the product's words."""
        return NewGroup(**{**self.model_dump(), "description": self.description or ""})


class GroupChangeBody(Body):
    """What to change of a group; what is left out stays as it is."""

    name: StrictStr | None = None
    path: StrictStr | None = None
    description: StrictStr | None = None
    visibility: Visibility | None = None

    def change(self) -> GroupChange:
        """The same in the product's words."""
        return GroupChange(**self.model_dump())


class TransferBody(Body):
    """Where a group goes; without `group_id` it becomes a root."""

    group_id: StrictInt | None = None


async def provide_filter(
    *, search: FromQuery[str | None] = None, top_level_only: FromQuery[bool] = False
) -> GroupFilter:
    """Which groups are asked for."""
    return GroupFilter(search=search, top_level_only=top_level_only)


_FILTERED = {"wanted": Provide(provide_filter)}
Listed = Response[list[dict[str, Any]]]


@get(PATH, opt={"access": Access.API}, dependencies=_FILTERED)
async def list_groups(
    *,
    asked: NamedDependency[Page],
    wanted: NamedDependency[GroupFilter],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
) -> Listed:
    """The groups that the caller may know of, by full path."""

    def work(session: Session) -> Listed:
        found = usecases.list_groups(session, caller.user, asked, wanted=wanted, now=clock())
        return _show_groups(session, found, public_url, path=PATH)

    return await db.read(work)


@post(PATH, opt={"access": Access.API})
async def create_group(
    *,
    data: JSONBody[GroupBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
) -> dict[str, Any]:
    """Makes a group."""

    def work(session: Session) -> dict[str, Any]:
        made = usecases.create_group(session, data.new(), caller_user=caller.user, now=clock())
        return _show_group(session, made, public_url)

    return await db.write(work)


@get(GROUP, opt={"access": Access.API})
async def get_group(
    *,
    group: FromPath[str],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
) -> dict[str, Any]:
    """One group, by its number or its escaped full path."""
    return await db.read(
        lambda session: _show_group(
            session, named_group(session, group, caller, now=clock()), public_url
        )
    )


@put(GROUP, opt={"access": Access.API})
async def change_group(  # noqa: PLR0913  # Litestar passes each by name
    *,
    group: FromPath[str],
    data: JSONBody[GroupChangeBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    follow_group: NamedDependency[Follow],
    public_url: NamedDependency[str],
) -> dict[str, Any]:
    """Changes what the body names; what lies in the group follows."""

    def work(session: Session) -> dict[str, Any]:
        now = clock()
        changed = usecases.change_group(
            session,
            named_group(session, group, caller, now=now),
            data.change(),
            follow=follow_group,
            caller_user=caller.user,
            now=now,
        )
        return _show_group(session, changed, public_url)

    return await db.write(work)


@delete(GROUP, opt={"access": Access.API})
async def delete_group(
    *,
    group: FromPath[str],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> None:
    """Removes a group in which nothing is left."""

    def work(session: Session) -> None:
        now = clock()
        found = named_group(session, group, caller, now=now)
        usecases.delete_group(session, found, caller_user=caller.user, now=now)

    await db.write(work)


@post(f"{GROUP}/transfer", opt={"access": Access.API})
async def transfer_group(  # noqa: PLR0913  # Litestar passes each by name
    *,
    group: FromPath[str],
    data: JSONBody[TransferBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    surroundings: NamedDependency[Surroundings],
    public_url: NamedDependency[str],
) -> dict[str, Any]:
    """Moves a group, with all that lies in it."""

    def work(session: Session) -> dict[str, Any]:
        now = clock()
        moved = usecases.move_group(
            session,
            named_group(session, group, caller, now=now),
            data.group_id,
            surroundings=surroundings,
            caller_user=caller.user,
            now=now,
        )
        return _show_group(session, moved, public_url)

    return await db.write(work)


@get(f"{GROUP}/subgroups", opt={"access": Access.API}, dependencies=_FILTERED)
async def list_subgroups(  # noqa: PLR0913  # Litestar passes each by name
    *,
    group: FromPath[str],
    asked: NamedDependency[Page],
    wanted: NamedDependency[GroupFilter],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
) -> Listed:
    """The groups right below one, by full path."""

    def work(session: Session) -> Listed:
        now = clock()
        above = named_group(session, group, caller, now=now)
        inside = GroupFilter(search=wanted.search, parent_id=above.id)
        found = usecases.list_groups(session, caller.user, asked, wanted=inside, now=now)
        return _show_groups(session, found, public_url, path=f"{PATH}/{above.id}/subgroups")

    return await db.read(work)


def named_group(session: Session, group: str, caller: Caller, *, now: datetime) -> Namespace:
    """The group that a part of an address names, as far as the caller may know of it."""
    return usecases.named_namespace(session, caller.user, named(group), now=now)


def _show_group(session: Session, namespace: Namespace, public_url: str) -> dict[str, Any]:
    names = usecases.full_names(session, [namespace])
    return _show(namespace, full_name=names[namespace.id], public_url=public_url)


def _show_groups(
    session: Session, found: Slice[Namespace], public_url: str, *, path: str
) -> Listed:
    names = usecases.full_names(session, found.items)
    return Response(
        [_show(each, full_name=names[each.id], public_url=public_url) for each in found.items],
        headers=found.headers(f"{public_url}{path}"),
    )


def _show(namespace: Namespace, *, full_name: str, public_url: str) -> dict[str, Any]:
    return {
        "id": namespace.id,
        "name": namespace.name,
        "path": namespace.path,
        "full_name": full_name,
        "full_path": namespace.full_path,
        "parent_id": namespace.parent_id,
        "description": namespace.description,
        "visibility": namespace.visibility,
        "web_url": f"{public_url}/groups/{namespace.full_path}",
        "created_at": namespace.created_at.isoformat(),
    }


handlers = (
    list_groups,
    create_group,
    get_group,
    change_group,
    delete_group,
    transfer_group,
    list_subgroups,
)
