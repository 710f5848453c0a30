"""Finds what a request is about, and the project and group that it counts for."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from appliance.accounts.rules import User
from appliance.ai_actions.rules import Request, ResourceKind, ResourceRef, Wish
from appliance.namespaces.rules import Namespace
from appliance.namespaces.usecases import default_namespace, get_namespace, visible_namespace
from appliance.resources.rules import Project
from appliance.resources.usecases import (
    find_resource,
    namespace_of,
    project_of,
    visible_project,
)
from appliance.storage.engine import Session

# Inputs that are the numbers of something.
_NAMED_INPUTS: Mapping[str, ResourceKind] = {
    "source_project_id": "Project",
    "vulnerable_merge_request_id": "MergeRequest",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a request belongs; None: to no project, or to no group."""

    project: Project | None = None
    namespace: Namespace | None = None


def find_place(session: Session, user: User, wish: Wish, *, now: datetime) -> Place:
    """Where a wish belongs: to what it is about, else to what it names, else where the user does.

    Raises:
        NotFoundError: something that it names is not there, or not for this user.
    """
    for name, kind in _NAMED_INPUTS.items():
        if (number := wish.inputs.get(name)) is not None:
            find_resource(session, user, kind, number=number, now=now)
    named = _named(session, user, wish, now=now)
    about = Place() if wish.resource is None else _about(session, user, wish.resource, now=now)
    if about.namespace is not None:
        return about
    if named.namespace is not None:
        return named
    return Place(namespace=default_namespace(session, user, now=now))


def place_of_request(session: Session, user: User, request: Request, *, now: datetime) -> Place:
    """Where a request belongs that was accepted, if all of it is still there for its user.

    Raises:
        NotFoundError: it is not.
    """
    if request.resource is not None:
        _about(session, user, request.resource, now=now)
    project = None
    if request.project_id is not None:
        project = visible_project(session, user, request.project_id, now=now)
    namespace = None
    if request.namespace_id is not None:
        namespace = get_namespace(session, request.namespace_id)
    return Place(project=project, namespace=namespace)


def _named(session: Session, user: User, wish: Wish, *, now: datetime) -> Place:
    root = None
    if wish.root_namespace_id is not None:
        root = visible_namespace(session, user, wish.root_namespace_id, now=now)
    if wish.project_id is None:
        return Place(namespace=root)
    project = visible_project(session, user, wish.project_id, now=now)
    return Place(project=project, namespace=namespace_of(session, project))


def _about(session: Session, user: User, resource: ResourceRef, *, now: datetime) -> Place:
    found = find_resource(session, user, resource.kind, number=resource.id, now=now)
    if isinstance(found, User):
        # Chat that is about nothing names its user.
        return Place()
    if isinstance(found, Namespace):
        return Place(namespace=found)
    project = found if isinstance(found, Project) else project_of(session, found)
    return Place(project=project, namespace=namespace_of(session, project))
