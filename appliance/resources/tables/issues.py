"""The rows of issues."""

from datetime import datetime

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field

from appliance.resources.tables.rows import author_column, project_column
from appliance.storage.engine import Row


class IssueRow(Row, table=True):
    """An issue; `iid` counts within its project."""

    __tablename__ = "issues"
    __table_args__ = (UniqueConstraint("project_id", "iid"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    project_id: int = Field(sa_column=project_column())
    iid: int
    author_id: int | None = Field(default=None, sa_column=author_column())
    title: str
    description: str = ""
    state: str
    is_confidential: bool = False
    labels: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_at: datetime
    updated_at: datetime
    closed_at: datetime | None = None
