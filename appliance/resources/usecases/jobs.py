"""What is told and read of jobs and their logs."""

from collections.abc import Collection
from datetime import datetime

from appliance.accounts.rules import User
from appliance.errors import NotFoundError
from appliance.resources import tables
from appliance.resources.rules import Job, JobChange, JobStatus, Place
from appliance.resources.rules.jobs import TELLS_OF_JOBS, check_job, job_times
from appliance.resources.tables.jobs import JobRow, job_of
from appliance.resources.usecases.places import place_of
from appliance.storage.engine import Session
from appliance.storage.paging import Page, Slice

WHAT = "Job"
STAGE = "test"
REF = "main"


def visible_job(session: Session, user: User, job_id: int, *, now: datetime) -> Job:
    """One job as far as the user may know of it.

    Raises:
        NotFoundError: no such job, or not for this user.
    """
    row = tables.jobs.job_row(session, job_id)
    if row is None:
        raise NotFoundError(WHAT)
    place_of(session, user, row.project_id, now=now, what=WHAT)
    return job_of(row)


def job_at(session: Session, place: Place, job_id: int) -> Job:
    """The job with that number, in that project.

    Raises:
        NotFoundError: no such job there.
    """
    return job_of(_row_at(session, place, job_id))


def trace_of(session: Session, job: Job) -> str:
    """The log of a job, at most a million characters."""
    return tables.jobs.trace(session, job.id)


def list_jobs_at(
    session: Session, place: Place, page: Page, *, statuses: Collection[JobStatus] | None = None
) -> Slice[Job]:
    """A page of a project's jobs, newest first; with `statuses` only those in one of them."""
    return tables.jobs.job_page(session, page, place.project.id, statuses=statuses)


def create_job(session: Session, place: Place, new: JobChange, *, now: datetime) -> Job:
    """Tells of a job.

    Raises:
        AccessLevelNeededError: the user's role does not reach.
        InvalidFieldsError: a field is missing or cannot be used.
    """
    place.check(TELLS_OF_JOBS)
    check_job(new, is_new=True)
    status = new.status or "created"
    started_at, finished_at = job_times(status, started_at=None, now=now)
    row = JobRow(
        project_id=place.project.id,
        author_id=place.user.id,
        name=new.name or "",
        stage=new.stage or STAGE,
        ref=new.ref or REF,
        status=status,
        failure_reason=new.failure_reason,
        trace=new.trace or "",
        created_at=now,
        updated_at=now,
        started_at=started_at,
        finished_at=finished_at,
    )
    session.add(row)
    session.flush()
    return job_of(row)


def change_job(
    session: Session, place: Place, job_id: int, *, change: JobChange, now: datetime
) -> Job:
    """Changes what `change` names; a log that is told replaces the one before.

    Raises:
        NotFoundError: no such job there.
        AccessLevelNeededError: the user's role does not reach.
        InvalidFieldsError: a field cannot be used.
    """
    row = _row_at(session, place, job_id)
    place.check(TELLS_OF_JOBS)
    check_job(change, is_new=False)
    for field in ("name", "stage", "ref", "failure_reason", "trace"):
        if getattr(change, field) is not None:
            setattr(row, field, getattr(change, field))
    if change.status is not None and change.status != row.status:
        row.status = change.status
        row.started_at, row.finished_at = job_times(
            change.status, started_at=row.started_at, now=now
        )
    row.updated_at = now
    session.flush()
    return job_of(row)


def _row_at(session: Session, place: Place, job_id: int) -> JobRow:
    row = tables.jobs.job_row(session, job_id)
    if row is None or row.project_id != place.project.id:
        raise NotFoundError(WHAT)
    return row
