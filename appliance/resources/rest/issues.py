"""Issues over REST, under GitLab's names."""

from datetime import datetime
from typing import Any, Literal

from litestar import Request, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Response
from pydantic import StrictStr

from appliance.accounts.rules import Access
from appliance.resources import usecases
from appliance.resources.rest.asking import (
    API,
    ASKING,
    ASKING_AT,
    PROJECT,
    Asking,
    AskingAt,
    Body,
    Listed,
    Shown,
)
from appliance.resources.rest.filters import WANTED_ISSUES, Wanted
from appliance.resources.rest.showing import show_issue, show_issues
from appliance.resources.rules import Issue, IssueChange, LabelChange, Place, StateEvent
from appliance.resources.rules import parse_labels as parsed
from appliance.storage.engine import Session
from appliance.storage.paging import Page, Slice

PATH = f"{PROJECT}/issues"
ONE = f"{PATH}/{{iid:int}}"
OF_ALL = f"{API}/issues"

Labels = StrictStr | list[StrictStr] | None


class LabelsBody(Body):
    """What to do with labels; a text has them with commas between."""

    labels: Labels = None
    add_labels: Labels = None
    remove_labels: Labels = None

    def label_change(self) -> LabelChange:
        """The same in the product's words."""
        return LabelChange(
            labels=None if self.labels is None else parsed(self.labels),
            added=parsed(self.add_labels or ()),
            removed=parsed(self.remove_labels or ()),
        )


class IssueBody(LabelsBody):
    """An issue as a client describes it; what is left out stays as it is."""

    title: StrictStr | None = None
    description: StrictStr | None = None
    # Litestar validates leniently, where even a StrictBool takes "yes".
    confidential: Literal[True, False] | None = None
    state_event: StateEvent | None = None

    def change(self) -> IssueChange:
        """The same in the product's words."""
        return IssueChange(
            title=self.title,
            description=self.description,
            is_confidential=self.confidential,
            labels=self.label_change(),
            event=self.state_event,
        )


@get(OF_ALL, opt={"access": Access.API}, dependencies=ASKING | WANTED_ISSUES)
async def list_issues(
    *,
    asking: NamedDependency[Asking],
    asked: NamedDependency[Page],
    wanted_issues: NamedDependency[Wanted],
    request: Request[Any, Any, Any],
) -> Listed:
    """The caller's own issues, or with `scope=all` every one that they may know of."""
    user, url = asking.caller.user, f"{asking.public_url}{OF_ALL}"

    def work(session: Session, now: datetime) -> Listed:
        wanted = wanted_issues.for_user(session, user, scope="created_by_me")
        found = usecases.list_issues(session, user, asked, wanted=wanted, now=now)
        return _listed(session, found, url, request=request)

    return await asking.read(work)


@get(PATH, opt={"access": Access.API}, dependencies=ASKING_AT | WANTED_ISSUES)
async def list_issues_at(
    *,
    at: NamedDependency[AskingAt],
    asked: NamedDependency[Page],
    wanted_issues: NamedDependency[Wanted],
    request: Request[Any, Any, Any],
) -> Listed:
    """The issues of a project, newest first unless asked otherwise."""

    def work(session: Session, place: Place, _: datetime) -> Listed:
        wanted = wanted_issues.for_user(session, place.user, scope="all")
        found = usecases.list_issues_at(session, place, asked, wanted=wanted)
        url = f"{at.public_url}{API}/projects/{place.project.id}/issues"
        return _listed(session, found, url, request=request)

    return await at.read(work)


@post(PATH, opt={"access": Access.API}, dependencies=ASKING_AT)
async def create_issue(*, at: NamedDependency[AskingAt], data: JSONBody[IssueBody]) -> Shown:
    """Makes an issue."""

    def work(session: Session, place: Place, now: datetime) -> Shown:
        made = usecases.create_issue(session, place, data.change(), now=now)
        return show_issue(session, made, public_url=at.public_url)

    return await at.write(work)


@get(ONE, opt={"access": Access.API}, dependencies=ASKING_AT)
async def get_issue(*, at: NamedDependency[AskingAt], iid: FromPath[int]) -> Shown:
    """One issue, by its number in the project."""
    return await at.read(
        lambda session, place, _: show_issue(
            session, usecases.issue_at(session, place, iid), public_url=at.public_url
        )
    )


@put(ONE, opt={"access": Access.API}, dependencies=ASKING_AT)
async def change_issue(
    *, at: NamedDependency[AskingAt], iid: FromPath[int], data: JSONBody[IssueBody]
) -> Shown:
    """Changes what the body names."""

    def work(session: Session, place: Place, now: datetime) -> Shown:
        issue: Issue = usecases.issue_at(session, place, iid)
        changed = usecases.change_issue(session, place, issue, change=data.change(), now=now)
        return show_issue(session, changed, public_url=at.public_url)

    return await at.write(work)


@delete(ONE, opt={"access": Access.API}, dependencies=ASKING_AT)
async def delete_issue(*, at: NamedDependency[AskingAt], iid: FromPath[int]) -> None:
    """Removes an issue, and all that was said on it."""

    def work(session: Session, place: Place, now: datetime) -> None:
        usecases.delete_issue(session, place, usecases.issue_at(session, place, iid), now=now)

    await at.write(work)


def _listed(
    session: Session, found: Slice[Issue], url: str, *, request: Request[Any, Any, Any]
) -> Listed:
    public_url = url.partition(API)[0]
    return Response(
        show_issues(session, found.items, public_url=public_url),
        headers=found.headers(url, asked=request.query_params.multi_items()),
    )


handlers = (list_issues, list_issues_at, create_issue, get_issue, change_issue, delete_issue)
