"""Reads for a model what the asker may read, within the project or group of the request."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from appliance.accounts.rules import User
from appliance.accounts.usecases import users_among
from appliance.ai_actions.rules import Request, ResourceKind
from appliance.ai_actions.rules.chat import observations
from appliance.ai_actions.rules.chat.references import Kind, Reference
from appliance.errors import NotFoundError
from appliance.resources.rules import ItemFilter, Project
from appliance.resources.usecases import (
    diffs_of,
    list_issues_at,
    list_merge_requests_at,
    named_issue,
    named_merge_request,
    named_place,
    named_project,
    namespace_of,
    notes_of,
    project_of,
    trace_of,
    visible_issue,
    visible_job,
    visible_merge_request,
    visible_project,
)
from appliance.storage.engine import Session
from appliance.storage.paging import Page

# Of what lies in a project.
LISTED = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """One look of a user, for the sake of a request."""

    session: Session
    user: User
    request: Request
    now: datetime
    may: Callable[[str], bool]
    """Whether the user holds a unit primitive."""

    def inside(self, project: Project) -> Project:
        """The project, if it lies where the request does, and AI features are on there.

        Raises:
            NotFoundError: it does not, or they are off.
        """
        asked = self.request
        if asked.project_id is not None:
            is_inside = project.id == asked.project_id
        else:
            ancestry = namespace_of(self.session, project).ancestry
            is_inside = asked.namespace_id is not None and asked.namespace_id in ancestry
        if not is_inside or not project.duo_features_enabled:
            raise NotFoundError(what="Project")
        return project

    def project(self, reference: str | None) -> Project:
        """The project that is named, or the request's own.

        Raises:
            NotFoundError: there is none, or not here, or not for this user.
        """
        if reference is not None:
            found = named_project(self.session, self.user, reference, now=self.now)
        elif self.request.project_id is not None:
            found = visible_project(self.session, self.user, self.request.project_id, now=self.now)
        else:
            raise NotFoundError(what="Project")
        return self.inside(found)

    def shown(self, kind: ResourceKind) -> int:
        """The id of what the page shows.

        Raises:
            NotFoundError: it shows something else, or nothing.
        """
        resource = self.request.resource
        if resource is None or resource.kind != kind:
            raise NotFoundError(what=kind)
        return resource.id

    def names(self, author_ids: Iterable[int | None]) -> Mapping[int, str]:
        """What those users are called."""
        asked = {each for each in author_ids if each is not None}
        return {key: user.username for key, user in users_among(self.session, asked).items()}


def read_issue(look: Look, reference: Reference) -> str:
    """An issue with its comments.

    Raises:
        NotFoundError: there is none, or not here, or not for this user.
    """
    session, user, now = look.session, look.user, look.now
    if reference.number is None:
        issue = visible_issue(session, user, look.shown("Issue"), now=now)
    else:
        within = str(look.project(reference.project).id)
        issue = named_issue(session, user, within, iid=reference.number, now=now)
    project = look.inside(project_of(session, issue))
    notes = notes_of(session, user, issue, now=now)
    names = look.names([issue.author_id, *(note.author_id for note in notes)])
    return observations.of_issue(issue, notes, project=project, names=names)


def read_merge_request(look: Look, reference: Reference) -> str:
    """A merge request with its changes and comments.

    Raises:
        NotFoundError: there is none, or not here, or not for this user.
    """
    session, user, now = look.session, look.user, look.now
    if reference.number is None:
        found = visible_merge_request(session, user, look.shown("MergeRequest"), now=now)
    else:
        within = str(look.project(reference.project).id)
        found = named_merge_request(session, user, within, iid=reference.number, now=now)
    project = look.inside(project_of(session, found))
    notes = notes_of(session, user, found, now=now)
    names = look.names([found.author_id, *(note.author_id for note in notes)])
    diffs = diffs_of(session, found)
    return observations.of_merge_request(found, diffs, notes, project=project, names=names)


def read_job(look: Look, reference: Reference) -> str:
    """A job with its log; its number counts on the whole instance.

    Raises:
        NotFoundError: there is none, or not here, or not for this user.
    """
    number = look.shown("Job") if reference.number is None else reference.number
    job = visible_job(look.session, look.user, number, now=look.now)
    project = look.inside(project_of(look.session, job))
    if reference.project is not None and look.project(reference.project).id != project.id:
        raise NotFoundError(what="Job")
    return observations.of_job(job, trace_of(look.session, job), project=project)


def read_project(look: Look, reference: Reference) -> str:
    """A project with the newest of what lies in it, as far as that may be asked about.

    Raises:
        NotFoundError: there is none, or not here, or not for this user.
    """
    project = look.project(reference.project)
    place = named_place(look.session, look.user, str(project.id), now=look.now)
    newest, wanted = Page(number=1, size=LISTED), ItemFilter(state="opened")
    issues = list_issues_at(look.session, place, newest, wanted=wanted)
    merge_requests = list_merge_requests_at(look.session, place, newest, wanted=wanted)
    return observations.of_project(
        project,
        issues=issues.items if look.may("ask_issue") else (),
        merge_requests=merge_requests.items if look.may("ask_merge_request") else (),
    )


READERS: Mapping[Kind, Callable[[Look, Reference], str]] = {
    "issue": read_issue,
    "merge_request": read_merge_request,
    "job": read_job,
    "project": read_project,
}
