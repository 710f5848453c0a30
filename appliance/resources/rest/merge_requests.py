"""Merge requests over REST, under GitLab's names; `diffs` says what one changes."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from litestar import Request, delete, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody
from litestar.response import Response
from pydantic import StrictStr

from appliance.accounts.rules import Access
from appliance.errors import NotFoundError
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
from appliance.resources.rest.filters import WANTED_MERGE_REQUESTS, Wanted
from appliance.resources.rest.issues import LabelsBody
from appliance.resources.rest.showing import show_diff, show_merge_request, show_merge_requests
from appliance.resources.rules import Diff, MergeRequest, MergeRequestChange, Place, StateEvent
from appliance.storage.engine import Session
from appliance.storage.paging import Page, Slice

PATH = f"{PROJECT}/merge_requests"
ONE = f"{PATH}/{{iid:int}}"
OF_ALL = f"{API}/merge_requests"


class DiffBody(Body):
    """What happens to one file; without `old_path` it has no other name than `new_path`."""

    new_path: StrictStr
    old_path: StrictStr | None = None
    diff: StrictStr = ""
    new_file: Literal[True, False] = False
    renamed_file: Literal[True, False] = False
    deleted_file: Literal[True, False] = False

    def told(self) -> Diff:
        """The same in the product's words."""
        return Diff(
            old_path=self.new_path if self.old_path is None else self.old_path,
            new_path=self.new_path,
            diff=self.diff,
            is_new=self.new_file,
            is_renamed=self.renamed_file,
            is_deleted=self.deleted_file,
        )


class MergeRequestBody(LabelsBody):
    """A merge request as a client describes it; what is left out stays as it is."""

    title: StrictStr | None = None
    description: StrictStr | None = None
    source_branch: StrictStr | None = None
    target_branch: StrictStr | None = None
    state_event: StateEvent | None = None
    diffs: list[DiffBody] | None = None

    def change(self) -> MergeRequestChange:
        """The same in the product's words."""
        return MergeRequestChange(
            title=self.title,
            description=self.description,
            source_branch=self.source_branch,
            target_branch=self.target_branch,
            labels=self.label_change(),
            event=self.state_event,
            diffs=None if self.diffs is None else [each.told() for each in self.diffs],
        )


@get(OF_ALL, opt={"access": Access.API}, dependencies=ASKING | WANTED_MERGE_REQUESTS)
async def list_merge_requests(
    *,
    asking: NamedDependency[Asking],
    asked: NamedDependency[Page],
    wanted_ones: NamedDependency[Wanted],
    request: Request[Any, Any, Any],
) -> Listed:
    """The caller's own merge requests, or with `scope=all` every one that they may know of."""
    user, url = asking.caller.user, f"{asking.public_url}{OF_ALL}"

    def work(session: Session, now: datetime) -> Listed:
        wanted = wanted_ones.for_user(session, user, scope="created_by_me")
        found = usecases.list_merge_requests(session, user, asked, wanted=wanted, now=now)
        return _listed(session, found, url, request=request)

    return await asking.read(work)


@get(PATH, opt={"access": Access.API}, dependencies=ASKING_AT | WANTED_MERGE_REQUESTS)
async def list_merge_requests_at(
    *,
    at: NamedDependency[AskingAt],
    asked: NamedDependency[Page],
    wanted_ones: NamedDependency[Wanted],
    request: Request[Any, Any, Any],
) -> Listed:
    """The merge requests of a project, newest first unless asked otherwise."""

    def work(session: Session, place: Place, _: datetime) -> Listed:
        wanted = wanted_ones.for_user(session, place.user, scope="all")
        found = usecases.list_merge_requests_at(session, place, asked, wanted=wanted)
        url = f"{at.public_url}{API}/projects/{place.project.id}/merge_requests"
        return _listed(session, found, url, request=request)

    return await at.read(work)


@post(PATH, opt={"access": Access.API}, dependencies=ASKING_AT)
async def create_merge_request(
    *, at: NamedDependency[AskingAt], data: JSONBody[MergeRequestBody]
) -> Shown:
    """Makes a merge request."""

    def work(session: Session, place: Place, now: datetime) -> Shown:
        made = usecases.create_merge_request(session, place, data.change(), now=now)
        return _show(session, made, at)

    return await at.write(work)


@get(ONE, opt={"access": Access.API}, dependencies=ASKING_AT)
async def get_merge_request(*, at: NamedDependency[AskingAt], iid: FromPath[int]) -> Shown:
    """One merge request, by its number in the project."""
    return await at.read(
        lambda session, place, _: _show(session, usecases.merge_request_at(session, place, iid), at)
    )


@put(ONE, opt={"access": Access.API}, dependencies=ASKING_AT)
async def change_merge_request(
    *, at: NamedDependency[AskingAt], iid: FromPath[int], data: JSONBody[MergeRequestBody]
) -> Shown:
    """Changes what the body names; `diffs` replace all that there were."""

    def work(session: Session, place: Place, now: datetime) -> Shown:
        found = usecases.merge_request_at(session, place, iid)
        changed = usecases.change_merge_request(
            session, place, found, change=data.change(), now=now
        )
        return _show(session, changed, at)

    return await at.write(work)


@put(f"{ONE}/merge", opt={"access": Access.API}, dependencies=ASKING_AT)
async def merge(*, at: NamedDependency[AskingAt], iid: FromPath[int]) -> Shown:
    """Notes that it was merged."""

    def work(session: Session, place: Place, now: datetime) -> Shown:
        found = usecases.merge_request_at(session, place, iid)
        return _show(session, usecases.merge(session, place, found, now=now), at)

    return await at.write(work)


@delete(ONE, opt={"access": Access.API}, dependencies=ASKING_AT)
async def delete_merge_request(*, at: NamedDependency[AskingAt], iid: FromPath[int]) -> None:
    """Removes a merge request, and all that was said on it."""

    def work(session: Session, place: Place, now: datetime) -> None:
        found = usecases.merge_request_at(session, place, iid)
        usecases.delete_merge_request(session, place, found, now=now)

    await at.write(work)


@get(f"{ONE}/diffs", opt={"access": Access.API}, dependencies=ASKING_AT)
async def list_diffs(
    *, at: NamedDependency[AskingAt], iid: FromPath[int], asked: NamedDependency[Page]
) -> Listed:
    """What it changes, file by file."""

    def work(session: Session, place: Place, _: datetime) -> Listed:
        found = usecases.merge_request_at(session, place, iid)
        diffs = usecases.diffs_of(session, found)
        url = f"{at.public_url}{API}/projects/{place.project.id}/merge_requests/{iid}/diffs"
        return _listed_diffs(diffs, asked, url=url)

    return await at.read(work)


@get(f"{ONE}/changes", opt={"access": Access.API}, dependencies=ASKING_AT)
async def get_changes(*, at: NamedDependency[AskingAt], iid: FromPath[int]) -> Shown:
    """The merge request together with all that it changes."""

    def work(session: Session, place: Place, _: datetime) -> Shown:
        found = usecases.merge_request_at(session, place, iid)
        changes = [show_diff(each) for each in usecases.diffs_of(session, found)]
        return {**_show(session, found, at), "changes": changes, "overflow": False}

    return await at.read(work)


@get(f"{ONE}/versions", opt={"access": Access.API}, dependencies=ASKING_AT)
async def list_versions(*, at: NamedDependency[AskingAt], iid: FromPath[int]) -> list[Shown]:
    """The one version that is kept of what it changes; GitLab's own clients go this way."""
    return await at.read(
        lambda session, place, _: [
            _version(session, usecases.merge_request_at(session, place, iid))
        ]
    )


@get(f"{ONE}/versions/{{number:int}}", opt={"access": Access.API}, dependencies=ASKING_AT)
async def get_version(
    *, at: NamedDependency[AskingAt], iid: FromPath[int], number: FromPath[int]
) -> Shown:
    """It, with what it changes."""

    def work(session: Session, place: Place, _: datetime) -> Shown:
        found = usecases.merge_request_at(session, place, iid)
        if number != found.id:
            raise NotFoundError(what="Version")
        diffs = [show_diff(each) for each in usecases.diffs_of(session, found)]
        return {**_version(session, found), "commits": [], "diffs": diffs}

    return await at.read(work)


def _version(session: Session, merge_request: MergeRequest) -> Shown:
    # There are no versions before it, so it takes its number from what it belongs to.
    return {
        "id": merge_request.id,
        "merge_request_id": merge_request.id,
        "state": "collected",
        "real_size": str(len(usecases.diffs_of(session, merge_request))),
        "created_at": merge_request.created_at.isoformat(),
        "head_commit_sha": None,
        "base_commit_sha": None,
        "start_commit_sha": None,
    }


def _show(session: Session, merge_request: MergeRequest, at: AskingAt) -> Shown:
    return show_merge_request(session, merge_request, public_url=at.public_url)


def _listed(
    session: Session, found: Slice[MergeRequest], url: str, *, request: Request[Any, Any, Any]
) -> Listed:
    public_url = url.partition(API)[0]
    return Response(
        show_merge_requests(session, found.items, public_url=public_url),
        headers=found.headers(url, asked=request.query_params.multi_items()),
    )


def _listed_diffs(diffs: Sequence[Diff], asked: Page, *, url: str) -> Listed:
    start = (asked.number - 1) * asked.size
    part = Slice(items=diffs[start : start + asked.size], page=asked, total=len(diffs))
    return Response([show_diff(each) for each in part.items], headers=part.headers(url))


handlers = (
    list_merge_requests,
    list_merge_requests_at,
    create_merge_request,
    get_merge_request,
    change_merge_request,
    merge,
    delete_merge_request,
    list_diffs,
    get_changes,
    list_versions,
    get_version,
)
