"""Members of groups over REST, under GitLab's names, and the group a user's tokens are for."""

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from litestar import Request, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from pydantic import StrictInt, StrictStr

from appliance.accounts.rules import USERNAME, Access, Caller
from appliance.accounts.usecases import get_user_named
from appliance.errors import InvalidFieldsError, NotFoundError
from appliance.namespaces import usecases
from appliance.namespaces.rest.groups import GROUP, PATH, Body, Listed, named_group
from appliance.namespaces.rest.listing import MEMBERS_FILTERED
from appliance.namespaces.rules import (
    AccessLevel,
    Member,
    MemberFilter,
    Membership,
    Namespace,
)
from appliance.storage.engine import Db, Session
from appliance.storage.paging import Page

Clock = Callable[[], datetime]
MEMBER = f"{GROUP}/members/{{user_id:int}}"
DEFAULT = "/api/v4/user/default_namespace"


class RoleBody(Body):
    """A role; on `expires_at` it no longer holds."""

    access_level: AccessLevel
    expires_at: date | None = None


class MemberBody(RoleBody):
    """Who gets a role, by number or by name."""

    user_id: StrictInt | None = None
    username: StrictStr | None = None

    def number(self, session: Session) -> int:
        """The user's number.

        Raises:
            InvalidFieldsError: not exactly one of both is said.
            NotFoundError: no user has that name.
        """
        if self.user_id is not None and self.username is None:
            return self.user_id
        if self.username is None or self.user_id is not None:
            raise InvalidFieldsError({"user_id": "name exactly one of user_id and username"})
        if not USERNAME.fullmatch(self.username):
            raise NotFoundError(what="User")
        return get_user_named(session, self.username).id


class DefaultBody(Body):
    """The group that the caller's tokens are for when they name none; null for none."""

    namespace_id: StrictInt | None


@get(
    [f"{GROUP}/members", f"{GROUP}/members/all"],
    opt={"access": Access.API},
    dependencies=MEMBERS_FILTERED,
)
async def list_members(  # noqa: PLR0913  # Litestar passes each by name
    *,
    request: Request[Any, Any, Any],
    group: FromPath[str],
    asked: NamedDependency[Page],
    wanted: NamedDependency[MemberFilter],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
) -> Listed:
    """The members of a group, or those of the groups above as well, by user id."""
    inherited = request.url.path.endswith("/all")

    def work(session: Session) -> Listed:
        now = clock()
        at = named_group(session, group, caller, now=now)
        found = usecases.list_members(
            session, at, asked, inherited=inherited, wanted=wanted, now=now
        )
        path = f"{PATH}/{at.id}/members{'/all' if inherited else ''}"
        return Response(
            [_show_member(each, public_url) for each in found.items],
            headers=found.headers(f"{public_url}{path}", asked=request.query_params.multi_items()),
        )

    return await db.read(work)


@post(f"{GROUP}/members", opt={"access": Access.API})
async def add_member(  # Litestar passes each by name
    *,
    group: FromPath[str],
    data: JSONBody[MemberBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
) -> dict[str, Any]:
    """Gives a user a role in a group."""

    def work(session: Session) -> Member:
        now = clock()
        membership = Membership(
            user_id=data.number(session),
            namespace_id=named_group(session, group, caller, now=now).id,
            access_level=data.access_level,
            expires_on=data.expires_at,
        )
        return usecases.add_member(session, membership, caller_user=caller.user, now=now)

    return _show_member(await db.write(work), public_url)


@get(
    [MEMBER, f"{GROUP}/members/all/{{user_id:int}}"],
    opt={"access": Access.API},
)
async def get_member(  # noqa: PLR0913  # Litestar passes each by name
    *,
    request: Request[Any, Any, Any],
    group: FromPath[str],
    user_id: FromPath[int],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
) -> dict[str, Any]:
    """One member of a group, or of one above it as well."""
    inherited = "/members/all/" in request.url.path

    def work(session: Session) -> Member:
        now = clock()
        at = named_group(session, group, caller, now=now)
        return usecases.get_member(session, at, user_id, inherited=inherited, now=now)

    return _show_member(await db.read(work), public_url)


@put(MEMBER, opt={"access": Access.API})
async def change_member(  # noqa: PLR0913  # Litestar passes each by name
    *,
    group: FromPath[str],
    user_id: FromPath[int],
    data: JSONBody[RoleBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
) -> dict[str, Any]:
    """Changes a member's role; without `expires_at` its end stays."""

    def work(session: Session) -> Member:
        now = clock()
        at = named_group(session, group, caller, now=now)
        known = usecases.get_member(session, at, user_id, inherited=False, now=now).membership
        says_when = "expires_at" in data.model_fields_set
        membership = Membership(
            user_id=user_id,
            namespace_id=at.id,
            access_level=data.access_level,
            expires_on=data.expires_at if says_when else known.expires_on,
        )
        return usecases.set_member(session, membership, caller_user=caller.user, now=now)

    return _show_member(await db.write(work), public_url)


@delete(MEMBER, opt={"access": Access.API})
async def remove_member(  # Litestar passes each by name
    *,
    group: FromPath[str],
    user_id: FromPath[int],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    skip_subresources: FromQuery[bool] = False,
) -> None:
    """Takes a user's own role in a group, and unless told otherwise those in groups below it."""

    def work(session: Session) -> None:
        now = clock()
        usecases.remove_member(
            session,
            named_group(session, group, caller, now=now),
            user_id,
            keeps_below=skip_subresources,
            caller_user=caller.user,
            now=now,
        )

    await db.write(work)


@get(DEFAULT, opt={"access": Access.API})
async def get_default_namespace(
    *,
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """The group that the caller's tokens are for when they name none."""
    found = await db.read(
        lambda session: usecases.default_namespace(session, caller.user, now=clock())
    )
    return _show_default(found)


@put(DEFAULT, opt={"access": Access.API})
async def set_default_namespace(
    *,
    data: JSONBody[DefaultBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> dict[str, Any]:
    """Chooses that group; the answer is the one that holds now."""

    def work(session: Session) -> Namespace | None:
        now = clock()
        usecases.set_default_namespace(session, caller.user, data.namespace_id, now=now)
        return usecases.default_namespace(session, caller.user, now=now)

    return _show_default(await db.write(work))


def _show_member(member: Member, public_url: str) -> dict[str, Any]:
    user, expires_on = member.user, member.membership.expires_on
    return {
        "id": user.id,
        "username": user.username,
        "name": user.name,
        "state": user.state,
        "access_level": int(member.membership.access_level),
        "expires_at": expires_on.isoformat() if expires_on else None,
        "web_url": f"{public_url}/{user.username}",
    }


def _show_default(namespace: Namespace | None) -> dict[str, Any]:
    return {
        "namespace_id": None if namespace is None else namespace.id,
        "full_path": None if namespace is None else namespace.full_path,
    }


handlers = (
    list_members,
    add_member,
    get_member,
    change_member,
    remove_member,
    get_default_namespace,
    set_default_namespace,
)
