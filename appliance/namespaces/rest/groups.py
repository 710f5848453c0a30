"""Groups over REST, under GitLab's names."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Any

from litestar import Request, delete, get, post, put
from litestar.datastructures import MultiMixin
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Response
from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr

from appliance.accounts.rules import Access, Caller
from appliance.namespaces import usecases
from appliance.namespaces.rest.listing import FILTERED
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


Listed = Response[list[dict[str, Any]]]


@get(PATH, opt={"access": Access.API}, dependencies=FILTERED)
async def list_groups(  # noqa: PLR0913  # Litestar passes each by name
    *,
    asked: NamedDependency[Page],
    wanted: NamedDependency[GroupFilter],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    request: Request[Any, Any, Any],
    public_url: NamedDependency[str],
) -> Listed:
    """The groups that the caller may know of, by full path unless asked otherwise."""

    def work(session: Session) -> Listed:
        found = usecases.list_groups(session, caller.user, asked, wanted=wanted, now=clock())
        return _show_groups(session, found, f"{public_url}{PATH}", query=request.query_params)

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
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    surroundings: NamedDependency[Surroundings],
    public_url: NamedDependency[str],
    data: JSONBody[TransferBody | None] = None,
) -> dict[str, Any]:
    """Moves a group, with all that lies in it."""

    def work(session: Session) -> dict[str, Any]:
        now = clock()
        moved = usecases.move_group(
            session,
            named_group(session, group, caller, now=now),
            None if data is None else data.group_id,
            surroundings=surroundings,
            caller_user=caller.user,
            now=now,
        )
        return _show_group(session, moved, public_url)

    return await db.write(work)


@get(
    [f"{GROUP}/subgroups", f"{GROUP}/descendant_groups"],
    opt={"access": Access.API},
    dependencies=FILTERED,
)
async def list_subgroups(  # noqa: PLR0913  # Litestar passes each by name
    *,
    group: FromPath[str],
    asked: NamedDependency[Page],
    wanted: NamedDependency[GroupFilter],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    request: Request[Any, Any, Any],
    public_url: NamedDependency[str],
) -> Listed:
    """The groups right below one, or all that lie in it."""
    is_deep = request.url.path.endswith("/descendant_groups")

    def work(session: Session) -> Listed:
        now = clock()
        above = named_group(session, group, caller, now=now)
        inside = (
            replace(wanted, top_level_only=False, within=above)
            if is_deep
            else replace(wanted, top_level_only=False, parent=above)
        )
        found = usecases.list_groups(session, caller.user, asked, wanted=inside, now=now)
        url = f"{public_url}{PATH}/{above.id}/{'descendant_groups' if is_deep else 'subgroups'}"
        return _show_groups(session, found, url, query=request.query_params)

    return await db.read(work)


def named_group(session: Session, group: str, caller: Caller, *, now: datetime) -> Namespace:
    """The group that a part of an address names, as far as the caller may know of it."""
    return usecases.named_namespace(session, caller.user, named(group), now=now)


def _show_group(session: Session, namespace: Namespace, public_url: str) -> dict[str, Any]:
    names = usecases.full_names(session, [namespace])
    return _show(namespace, full_name=names[namespace.id], public_url=public_url)


def _show_groups(
    session: Session, found: Slice[Namespace], url: str, *, query: MultiMixin[Any]
) -> Listed:
    names = usecases.full_names(session, found.items)
    public_url = url.partition(PATH)[0]
    return Response(
        [_show(each, full_name=names[each.id], public_url=public_url) for each in found.items],
        headers=found.headers(url, asked=query.multi_items()),
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
