"""What a project is, and what can be said of one."""

import re
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from appliance.errors import InvalidFieldsError
from appliance.namespaces.rules import DEFAULT_VISIBILITY, AccessLevel, Visibility

MAKES = AccessLevel.DEVELOPER
CHANGES = AccessLevel.MAINTAINER
REMOVES = AccessLevel.OWNER

NOT_OF_A_PATH = re.compile(r"[^a-z0-9_.]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Project:
    """A project of a group; who belongs to the group belongs to it."""

    id: int
    namespace_id: int
    name: str
    path: str
    full_path: str
    description: str
    visibility: Visibility
    duo_features_enabled: bool
    created_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What can be said of a project; None leaves a thing as it is."""

    name: str | None = None
    path: str | None = None
    description: str | None = None
    visibility: Visibility | None = None
    duo_features_enabled: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewProject:
    """A description with everything that a project cannot be without."""

    namespace_id: int
    name: str
    path: str
    description: str
    visibility: Visibility
    duo_features_enabled: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectFilter:
    """Which projects are asked for; `namespace_ids` None is for all groups."""

    search: str | None = None
    namespace_ids: Collection[int] | None = None


def complete(description: Description, *, namespace_id: int | None) -> NewProject:
    """The description of a new project; its name and its path stand in for each other.

    Raises:
        InvalidFieldsError: the group is missing, or both of name and path are.
    """
    name = description.name or description.path
    if namespace_id is None:
        raise InvalidFieldsError({"namespace_id": "is required"})
    if not name:
        raise InvalidFieldsError({"name": "is required"})
    return NewProject(
        namespace_id=namespace_id,
        name=name,
        path=description.path or path_of(name),
        description=description.description or "",
        visibility=description.visibility or DEFAULT_VISIBILITY,
        duo_features_enabled=description.duo_features_enabled is not False,
    )


def path_of(name: str) -> str:
    """The path that a name suggests; empty when nothing of it can stand in one."""
    return NOT_OF_A_PATH.sub("-", name.casefold()).strip("-.")
