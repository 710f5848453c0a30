"""Finds the project that something lies in, and what a user may do there."""

from datetime import datetime

from appliance.accounts.rules import User
from appliance.audit.rules import Target
from appliance.audit.usecases import record
from appliance.errors import NotFoundError
from appliance.namespaces.usecases import access_level, own_groups
from appliance.resources.rules import Project, Sight
from appliance.resources.rules.places import SEES_CONFIDENTIAL, Place
from appliance.resources.usecases.projects import named_project, namespace_of, visible_project
from appliance.storage.engine import Session


def place_in(session: Session, user: User, project: Project, *, now: datetime) -> Place:
    """The user in a project that they may know of."""
    level = access_level(session, user, namespace_of(session, project), now=now)
    return Place(user=user, project=project, level=level)


def named_place(session: Session, user: User, reference: str, *, now: datetime) -> Place:
    """The user in the project that they name by its number or full path.

    Raises:
        NotFoundError: no such project, or not for this user.
    """
    return place_in(session, user, named_project(session, user, reference, now=now), now=now)


def place_of(session: Session, user: User, project_id: int, *, now: datetime, what: str) -> Place:
    """The user where something lies; `what` names that thing, not the project, to who may not see.

    Raises:
        NotFoundError: the project is not for this user.
    """
    try:
        project = visible_project(session, user, project_id, now=now)
    except NotFoundError:
        raise NotFoundError(what) from None
    return place_in(session, user, project, now=now)


def sight_of(session: Session, user: User, *, now: datetime) -> Sight:
    """What lists of things in all projects can show the user."""
    return Sight(
        user_id=user.id,
        groups=own_groups(session, user, now=now),
        close_groups=own_groups(session, user, at_least=SEES_CONFIDENTIAL, now=now),
    )


def note_removal(
    session: Session, place: Place, kind: str, *, number: int, now: datetime, **details: int
) -> None:
    """Writes into the log what was taken out of a project for good."""
    record(
        session,
        f"{kind}_deleted",
        actor=place.user.actor,
        target=Target(kind=kind, id=str(number)),
        details={"project_id": place.project.id, **details},
        now=now,
    )
