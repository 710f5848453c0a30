"""The rows of jobs and their logs."""

from collections.abc import Collection
from datetime import datetime
from typing import Any, cast

from sqlalchemy.orm import defer
from sqlmodel import Field, col, select

from appliance.resources.rules import Job, JobStatus
from appliance.resources.tables.rows import author_column, project_column
from appliance.storage.engine import MAX_ID, Row, Session
from appliance.storage.paging import Page, Slice, cut


class JobRow(Row, table=True):
    """One run of a job; `trace` is its log as it was told."""

    __tablename__ = "ci_jobs"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  # SQLAlchemy's own name

    id: int | None = Field(default=None, primary_key=True)
    project_id: int = Field(sa_column=project_column())
    author_id: int | None = Field(default=None, sa_column=author_column())
    name: str
    stage: str
    ref: str
    status: str
    failure_reason: str | None = None
    trace: str = ""
    created_at: datetime
    updated_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


_TRACE: Any = JobRow.trace


def job_of(row: JobRow) -> Job:
    """The row as a value, without its log."""
    assert row.id is not None  # noqa: S101  # it comes from the database
    return Job(
        id=row.id,
        project_id=row.project_id,
        author_id=row.author_id,
        name=row.name,
        stage=row.stage,
        ref=row.ref,
        status=cast("JobStatus", row.status),
        failure_reason=row.failure_reason,
        created_at=row.created_at,
        updated_at=row.updated_at,
        started_at=row.started_at,
        finished_at=row.finished_at,
    )


def job_row(session: Session, number: int) -> JobRow | None:
    """The row with that id; its log is read when it is asked for."""
    if not 0 < number <= MAX_ID:
        return None
    return session.exec(select(JobRow).where(JobRow.id == number).options(defer(_TRACE))).first()


def trace(session: Session, job_id: int) -> str:
    """The log of a job; empty for one that is gone."""
    return session.exec(select(JobRow.trace).where(JobRow.id == job_id)).first() or ""


def job_page(
    session: Session, page: Page, project_id: int, *, statuses: Collection[JobStatus] | None
) -> Slice[Job]:
    """A page of a project's jobs, newest first; with `statuses` only those in one of them."""
    query = select(JobRow).where(JobRow.project_id == project_id).options(defer(_TRACE))
    if statuses is not None:
        query = query.where(col(JobRow.status).in_(sorted(statuses)))
    rows = cut(session, query.order_by(col(JobRow.id).desc()), page)
    return Slice(items=[job_of(row) for row in rows.items], page=page, total=rows.total)
