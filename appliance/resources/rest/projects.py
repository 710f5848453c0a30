"""Projects over REST, under GitLab's names."""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Literal

from litestar import delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, FromQuery, JSONBody
from litestar.response import Response
from pydantic import BaseModel, ConfigDict, StrictInt, StrictStr

from appliance.accounts.rules import Access, Caller
from appliance.namespaces.rules import Namespace, Visibility
from appliance.namespaces.usecases import named_namespace, namespaces_among, tree_ids
from appliance.resources import usecases
from appliance.resources.rules import Description, Project, ProjectFilter
from appliance.slashes import named
from appliance.storage.engine import Db, Session
from appliance.storage.paging import Page, Slice

Clock = Callable[[], datetime]
PATH = "/api/v4/projects"
PROJECT = f"{PATH}/{{project:str}}"
OF_GROUP = "/api/v4/groups/{group:str}/projects"


class ProjectBody(BaseModel):
    """A project as a client describes it; what is left out stays as it is."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    name: StrictStr | None = None
    path: StrictStr | None = None
    description: StrictStr | None = None
    visibility: Visibility | None = None
    # Litestar validates leniently, where even a StrictBool takes "yes".
    duo_features_enabled: Literal[True, False] | None = None

    def described(self) -> Description:
        """The same in the product's words."""
        return Description(
            name=self.name,
            path=self.path,
            description=self.description,
            visibility=self.visibility,
            duo_features_enabled=self.duo_features_enabled,
        )


class NewProjectBody(ProjectBody):
    """A wish for a project."""

    namespace_id: StrictInt | None = None


_Listed = Response[list[dict[str, Any]]]


@get(PATH, opt={"access": Access.API})
async def list_projects(
    *,
    asked: NamedDependency[Page],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
    search: FromQuery[str | None] = None,
) -> _Listed:
    """The projects that the caller may know of, newest first."""
    wanted = ProjectFilter(search=search)

    def work(session: Session) -> _Listed:
        found = usecases.list_projects(session, caller.user, asked, wanted=wanted, now=clock())
        return _show_all(session, found, public_url, path=PATH)

    return await db.read(work)


@get(OF_GROUP, opt={"access": Access.API})
async def list_projects_of_group(  # noqa: PLR0913  # Litestar passes each by name
    *,
    group: FromPath[str],
    asked: NamedDependency[Page],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
    search: FromQuery[str | None] = None,
    include_subgroups: FromQuery[bool] = False,
) -> _Listed:
    """The projects of one group, or of those below it as well, newest first."""

    def work(session: Session) -> _Listed:
        now = clock()
        at = named_namespace(session, caller.user, named(group), now=now)
        inside = tree_ids(session, at) if include_subgroups else [at.id]
        wanted = ProjectFilter(search=search, namespace_ids=inside)
        found = usecases.list_projects(session, caller.user, asked, wanted=wanted, now=now)
        path = OF_GROUP.replace("{group:str}", str(at.id))
        return _show_all(session, found, public_url, path=path)

    return await db.read(work)


@post(PATH, opt={"access": Access.API})
async def create_project(
    *,
    data: JSONBody[NewProjectBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
) -> dict[str, Any]:
    """Makes a project in a group."""

    def work(session: Session) -> dict[str, Any]:
        made = usecases.create_project(
            session,
            data.described(),
            namespace_id=data.namespace_id,
            caller_user=caller.user,
            now=clock(),
        )
        return _show_one(session, made, public_url)

    return await db.write(work)


@get(PROJECT, opt={"access": Access.API})
async def get_project(
    *,
    project: FromPath[str],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
) -> dict[str, Any]:
    """One project, by its number or its escaped full path."""
    return await db.read(
        lambda session: _show_one(
            session, _named(session, project, caller, now=clock()), public_url
        )
    )


@put(PROJECT, opt={"access": Access.API})
async def change_project(  # Litestar passes each by name
    *,
    project: FromPath[str],
    data: JSONBody[ProjectBody],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
    public_url: NamedDependency[str],
) -> dict[str, Any]:
    """Changes what the body names."""

    def work(session: Session) -> dict[str, Any]:
        now = clock()
        found = _named(session, project, caller, now=now)
        changed = usecases.change_project(
            session, found, data.described(), caller_user=caller.user, now=now
        )
        return _show_one(session, changed, public_url)

    return await db.write(work)


@delete(PROJECT, opt={"access": Access.API})
async def delete_project(
    *,
    project: FromPath[str],
    caller: NamedDependency[Caller],
    db: NamedDependency[Db],
    clock: NamedDependency[Clock],
) -> None:
    """Removes a project."""

    def work(session: Session) -> None:
        now = clock()
        found = _named(session, project, caller, now=now)
        usecases.delete_project(session, found, caller_user=caller.user, now=now)

    await db.write(work)


def _named(session: Session, project: str, caller: Caller, *, now: datetime) -> Project:
    return usecases.named_project(session, caller.user, named(project), now=now)


def _show_one(session: Session, project: Project, public_url: str) -> dict[str, Any]:
    return _show(project, usecases.namespace_of(session, project), public_url)


def _show_all(session: Session, found: Slice[Project], public_url: str, *, path: str) -> _Listed:
    groups = namespaces_among(session, {project.namespace_id for project in found.items})
    return Response(
        [_show(each, groups[each.namespace_id], public_url) for each in found.items],
        headers=found.headers(f"{public_url}{path}"),
    )


def _show(project: Project, group: Namespace, public_url: str) -> dict[str, Any]:
    return {
        "id": project.id,
        "name": project.name,
        "path": project.path,
        "path_with_namespace": project.full_path,
        "name_with_namespace": f"{group.name} / {project.name}",
        "description": project.description,
        "visibility": project.visibility,
        "duo_features_enabled": project.duo_features_enabled,
        "web_url": f"{public_url}/{project.full_path}",
        "created_at": project.created_at.isoformat(),
        "namespace": {
            "id": group.id,
            "name": group.name,
            "path": group.path,
            "kind": "group",
            "full_path": group.full_path,
            "parent_id": group.parent_id,
            "web_url": f"{public_url}/groups/{group.full_path}",
        },
    }


handlers = (
    list_projects,
    list_projects_of_group,
    create_project,
    get_project,
    change_project,
    delete_project,
)
