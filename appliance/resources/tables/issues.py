"""The rows of issues."""

from datetime import datetime
from typing import cast

from sqlalchemy import JSON, Column, UniqueConstraint
from sqlmodel import Field

from appliance.resources.rules import Issue
from appliance.resources.rules.issues import IssueState
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


def issue_of(row: IssueRow) -> Issue:
    """The row as a value."""
    assert row.id is not None  # noqa: S101  # it comes from the database
    return Issue(
        id=row.id,
        project_id=row.project_id,
        iid=row.iid,
        author_id=row.author_id,
        title=row.title,
        description=row.description,
        state=cast("IssueState", row.state),
        is_confidential=row.is_confidential,
        labels=tuple(row.labels),
        created_at=row.created_at,
        updated_at=row.updated_at,
        closed_at=row.closed_at,
    )
