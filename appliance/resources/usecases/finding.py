"""Finds what a global id names, whatever kind of thing it is."""

from datetime import datetime
from typing import Literal, assert_never

from appliance.accounts.rules import User
from appliance.errors import NotFoundError
from appliance.namespaces.rules import Namespace
from appliance.namespaces.usecases import visible_namespace
from appliance.resources import tables
from appliance.resources.rules import Issue, Job, MergeRequest, Project, Vulnerability
from appliance.resources.usecases.issues import visible_issue
from appliance.resources.usecases.jobs import visible_job
from appliance.resources.usecases.merge_requests import visible_merge_request
from appliance.resources.usecases.projects import visible_project
from appliance.resources.usecases.vulnerabilities import visible_vulnerability
from appliance.storage.engine import Session

Kind = Literal["Issue", "MergeRequest", "Project", "Group", "Job", "Vulnerability", "User"]
Contained = Issue | MergeRequest | Job | Vulnerability
Resource = Contained | Project | Namespace | User


def find_resource(  # noqa: PLR0911  # one for each kind
    session: Session, user: User, kind: Kind, *, number: int, now: datetime
) -> Resource:
    """What that id names, as far as the user may know of it; of users that is only themselves.

    Raises:
        NotFoundError: no such thing, or not for this user.
    """
    match kind:
        case "Issue":
            return visible_issue(session, user, number, now=now)
        case "MergeRequest":
            return visible_merge_request(session, user, number, now=now)
        case "Project":
            return visible_project(session, user, number, now=now)
        case "Group":
            return visible_namespace(session, user, number, now=now)
        case "Job":
            return visible_job(session, user, number, now=now)
        case "Vulnerability":
            return visible_vulnerability(session, user, number, now=now)
        case "User":
            if number != user.id:
                raise NotFoundError(what="User")
            return user
        case _:
            assert_never(kind)


def project_of(session: Session, resource: Contained) -> Project:
    """The project that something lies in.

    Raises:
        NotFoundError: it is gone.
    """
    row = tables.projects.project_row(session, resource.project_id)
    if row is None:
        raise NotFoundError(what="Project")
    return tables.projects.project_of(row)
