"""Jobs and their logs over REST, under GitLab's names; telling of one is this product's own."""

from datetime import datetime
from typing import Annotated, Any

from litestar import MediaType, Request, get, post, put
from litestar.di import NamedDependency
from litestar.params import FromPath, JSONBody, QueryParameter
from litestar.response import Response
from pydantic import StrictStr

from appliance.accounts.rules import Access
from appliance.resources import usecases
from appliance.resources.rest.asking import API, ASKING_AT, PROJECT, AskingAt, Body, Listed, Shown
from appliance.resources.rest.showing import show_jobs
from appliance.resources.rules import JobChange, JobStatus, Place
from appliance.storage.engine import Session
from appliance.storage.paging import Page

PATH = f"{PROJECT}/jobs"
ONE = f"{PATH}/{{job_id:int}}"


class JobBody(Body):
    """A job as a client tells of it; what is left out stays as it is."""

    name: StrictStr | None = None
    stage: StrictStr | None = None
    ref: StrictStr | None = None
    status: JobStatus | None = None
    failure_reason: StrictStr | None = None
    trace: StrictStr | None = None

    def change(self) -> JobChange:
        """The same in the product's words."""
        return JobChange(
            name=self.name,
            stage=self.stage,
            ref=self.ref,
            status=self.status,
            failure_reason=self.failure_reason,
            trace=self.trace,
        )


@get(PATH, opt={"access": Access.API}, dependencies=ASKING_AT)
async def list_jobs(
    *,
    at: NamedDependency[AskingAt],
    asked: NamedDependency[Page],
    request: Request[Any, Any, Any],
    # Litestar means something else by `scope`.
    one_scope: Annotated[JobStatus | None, QueryParameter(name="scope")] = None,
    scopes: Annotated[list[JobStatus] | None, QueryParameter(name="scope[]")] = None,
) -> Listed:
    """The jobs of a project, newest first."""
    statuses = {*(scopes or ()), *(() if one_scope is None else (one_scope,))}

    def work(session: Session, place: Place, _: datetime) -> Listed:
        found = usecases.list_jobs_at(session, place, asked, statuses=statuses or None)
        url = f"{at.public_url}{API}/projects/{place.project.id}/jobs"
        return Response(
            show_jobs(session, found.items, public_url=at.public_url),
            headers=found.headers(url, asked=request.query_params.multi_items()),
        )

    return await at.read(work)


@post(PATH, opt={"access": Access.API}, dependencies=ASKING_AT)
async def create_job(*, at: NamedDependency[AskingAt], data: JSONBody[JobBody]) -> Shown:
    """Tells of a job."""

    def work(session: Session, place: Place, now: datetime) -> Shown:
        made = usecases.create_job(session, place, data.change(), now=now)
        return show_jobs(session, [made], public_url=at.public_url)[0]

    return await at.write(work)


@get(ONE, opt={"access": Access.API}, dependencies=ASKING_AT)
async def get_job(*, at: NamedDependency[AskingAt], job_id: FromPath[int]) -> Shown:
    """One job."""

    def work(session: Session, place: Place, _: datetime) -> Shown:
        found = usecases.job_at(session, place, job_id)
        return show_jobs(session, [found], public_url=at.public_url)[0]

    return await at.read(work)


@put(ONE, opt={"access": Access.API}, dependencies=ASKING_AT)
async def change_job(
    *, at: NamedDependency[AskingAt], job_id: FromPath[int], data: JSONBody[JobBody]
) -> Shown:
    """Changes what the body names; a log replaces the one before."""

    def work(session: Session, place: Place, now: datetime) -> Shown:
        changed = usecases.change_job(session, place, job_id, change=data.change(), now=now)
        return show_jobs(session, [changed], public_url=at.public_url)[0]

    return await at.write(work)


@get(
    f"{ONE}/trace",
    opt={"access": Access.API},
    dependencies=ASKING_AT,
    media_type=MediaType.TEXT,
    # A log is whatever a job wrote: no browser shall take it for a page.
    response_headers={"x-content-type-options": "nosniff"},
)
async def get_trace(*, at: NamedDependency[AskingAt], job_id: FromPath[int]) -> str:
    """The log of a job."""
    return await at.read(
        lambda session, place, _: usecases.trace_of(
            session, usecases.job_at(session, place, job_id)
        )
    )


handlers = (list_jobs, create_job, get_job, change_job, get_trace)
