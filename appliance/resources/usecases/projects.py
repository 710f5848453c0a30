"""What people do with projects; who may do it is decided by their role in the project's group."""

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import Any

from appliance.accounts.rules import User
from appliance.audit.rules import Target
from appliance.audit.usecases import record
from appliance.errors import NotFoundError
from appliance.namespaces import rules as groups
from appliance.namespaces.rules import AccessLevel, Namespace
from appliance.namespaces.usecases import (
    access_level,
    find_namespace,
    get_namespace,
    own_groups,
    visible_namespace,
)
from appliance.resources import rules, tables
from appliance.resources.errors import ProjectTakenError
from appliance.resources.rules import Description, Project, ProjectFilter
from appliance.storage.engine import Session
from appliance.storage.outbox import publish
from appliance.storage.paging import Page, Slice

TOPIC = "project"


def visible_project(session: Session, user: User, project_id: int, *, now: datetime) -> Project:
    """One project as far as the user may know of it.

    Raises:
        NotFoundError: no such project, or not for this user.
    """
    return _checked(session, user, tables.projects.project_row(session, project_id), now=now)


def named_project(session: Session, user: User, reference: str, *, now: datetime) -> Project:
    """The project that a client names by its number or full path, if the user may know of it.

    Raises:
        NotFoundError: no such project, or not for this user.
    """
    named = groups.parse_reference(reference)
    if isinstance(named, int):
        return visible_project(session, user, named, now=now)
    return _checked(session, user, tables.projects.project_row_at(session, named), now=now)


def projects_among(session: Session, project_ids: Collection[int]) -> Mapping[int, Project]:
    """Those of the projects that there are, by id and whoever asks."""
    return tables.projects.projects_among(session, project_ids)


def namespace_of(session: Session, project: Project) -> Namespace:
    """The group that a project lies in."""
    return get_namespace(session, project.namespace_id)


def list_projects(
    session: Session, user: User, page: Page, *, wanted: ProjectFilter, now: datetime
) -> Slice[Project]:
    """A page of the projects that the user may know of, newest first."""
    own = own_groups(session, user, now=now)
    return tables.projects.project_page(session, page, wanted=wanted, own_groups=own)


def create_project(
    session: Session,
    description: Description,
    *,
    namespace_id: int | None,
    caller_user: User,
    now: datetime,
) -> Project:
    """Makes a project in a group.

    Raises:
        InvalidFieldsError: a field is missing or cannot be used.
        NotFoundError: no such group, or not for this user.
        AccessLevelNeededError: the caller's role in the group does not reach.
        ProjectTakenError: the path is another's.
    """
    new = rules.complete(description, namespace_id=namespace_id)
    groups.check_names(new.name, new.path, new.description)
    group = visible_namespace(session, caller_user, new.namespace_id, now=now)
    groups.check_level(access_level(session, caller_user, group, now=now), rules.MAKES)
    groups.check_visibility(new.visibility, above=group.visibility, below=())
    full_path = _free_path(session, new.path, group, besides=None)
    project = tables.projects.project_of(
        tables.projects.add_project(session, new, full_path=full_path, now=now)
    )
    details = {"full_path": project.full_path, "visibility": project.visibility}
    _announce(session, project, "created", user=caller_user, details=details, now=now)
    return project


def change_project(
    session: Session,
    project: Project,
    description: Description,
    *,
    caller_user: User,
    now: datetime,
) -> Project:
    """Changes what `description` names.

    Raises:
        AccessLevelNeededError: the caller's role in the group does not reach.
        InvalidFieldsError: a field cannot be used.
        ProjectTakenError: the path is another's.
    """
    group = _group_with(session, project, caller_user, needed=rules.CHANGES, now=now)
    groups.check_names(description.name, description.path, description.description)
    if description.visibility is not None:
        groups.check_visibility(description.visibility, above=group.visibility, below=())
    row = _row(session, project.id)
    if description.path is not None:
        row.full_path = _free_path(session, description.path, group, besides=project.id)
        row.full_path_key = tables.projects.fold(row.full_path)
    fields = ("name", "path", "description", "visibility", "duo_features_enabled")
    changed = {
        field: getattr(description, field)
        for field in fields
        if getattr(description, field) not in {None, getattr(row, field)}
    }
    for field, value in changed.items():
        setattr(row, field, value)
    row.updated_at = now
    session.flush()
    after = tables.projects.project_of(row)
    _announce(session, after, "changed", user=caller_user, details=changed, now=now)
    return after


def delete_project(session: Session, project: Project, *, caller_user: User, now: datetime) -> None:
    """Removes a project.

    Raises:
        AccessLevelNeededError: the caller's role in the group does not reach.
    """
    _group_with(session, project, caller_user, needed=rules.REMOVES, now=now)
    session.delete(_row(session, project.id))
    session.flush()
    details = {"full_path": project.full_path}
    _announce(session, project, "deleted", user=caller_user, details=details, now=now)


def follow_group(session: Session, before: Namespace, after: Namespace) -> None:
    """Takes a group's new path over into its projects'.

    Raises:
        InvalidFieldsError: the group would be seen by fewer than one of its projects.
        ProjectTakenError: a project is where the group would be.
    """
    below = tables.projects.visibilities(session, after)
    groups.check_visibility(after.visibility, above=None, below=below)
    if after.full_path != before.full_path:
        if tables.projects.project_row_at(session, after.full_path) is not None:
            raise ProjectTakenError
        tables.projects.move(session, before=before.full_path, after=after.full_path)


def _row(session: Session, project_id: int) -> tables.projects.ProjectRow:
    row = tables.projects.project_row(session, project_id)
    if row is None:
        raise NotFoundError(what="Project")
    return row


def _checked(
    session: Session, user: User, row: tables.projects.ProjectRow | None, *, now: datetime
) -> Project:
    if row is None:
        raise NotFoundError(what="Project")
    project = tables.projects.project_of(row)
    level = access_level(session, user, namespace_of(session, project), now=now)
    if not groups.is_visible(project.visibility, level):
        raise NotFoundError(what="Project")
    return project


def _group_with(
    session: Session, project: Project, user: User, *, needed: AccessLevel, now: datetime
) -> Namespace:
    group = namespace_of(session, project)
    groups.check_level(access_level(session, user, group, now=now), needed)
    return group


def _free_path(session: Session, path: str, group: Namespace, *, besides: int | None) -> str:
    full_path = groups.full_path(path, parent=group)
    known = tables.projects.project_row_at(session, full_path)
    is_taken = known is not None and known.id != besides
    if is_taken or find_namespace(session, full_path) is not None:
        raise ProjectTakenError
    return full_path


def _announce(
    session: Session,
    project: Project,
    change: str,
    *,
    user: User,
    details: Mapping[str, Any],
    now: datetime,
) -> None:
    publish(session, TOPIC, {"id": project.id, "change": change}, now=now)
    target = Target(kind="project", id=str(project.id))
    record(session, f"project_{change}", actor=user.actor, target=target, details=details, now=now)
