"""The rows of jobs and their logs."""

from datetime import datetime

from sqlmodel import Field

from appliance.resources.tables.rows import author_column, project_column
from appliance.storage.engine import Row


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
