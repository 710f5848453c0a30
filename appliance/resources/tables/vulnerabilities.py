"""The rows of vulnerabilities."""

from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column
from sqlmodel import Field

from appliance.resources.tables.rows import author_column, project_column
from appliance.storage.engine import Row


class VulnerabilityRow(Row, table=True):
    """A weakness that was found; `location` has `file`, `start_line` and `end_line`.

    `source_code` is the file as it was when it was found.
    """

    __tablename__ = "vulnerabilities"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  # SQLAlchemy's own name

    id: int | None = Field(default=None, primary_key=True)
    project_id: int = Field(sa_column=project_column())
    author_id: int | None = Field(default=None, sa_column=author_column())
    title: str
    description: str = ""
    severity: str
    report_type: str
    state: str
    solution: str = ""
    identifiers: list[dict[str, Any]] = Field(
        default_factory=list, sa_column=Column(JSON, nullable=False)
    )
    location: dict[str, Any] = Field(default_factory=dict, sa_column=Column(JSON, nullable=False))
    source_code: str | None = None
    created_at: datetime
    updated_at: datetime
