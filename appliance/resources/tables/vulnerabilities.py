"""The rows of vulnerabilities."""

from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, Column
from sqlmodel import Field, col, select

from appliance.resources.rules import ReportType, Severity, Vulnerability, VulnerabilityState
from appliance.resources.tables.rows import author_column, project_column
from appliance.storage.engine import MAX_ID, Row, Session
from appliance.storage.paging import Page, Slice, cut


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


def vulnerability_of(row: VulnerabilityRow) -> Vulnerability:
    """The row as a value."""
    assert row.id is not None  # noqa: S101  # it comes from the database
    return Vulnerability(
        id=row.id,
        project_id=row.project_id,
        author_id=row.author_id,
        title=row.title,
        description=row.description,
        severity=cast("Severity", row.severity),
        report_type=cast("ReportType", row.report_type),
        state=cast("VulnerabilityState", row.state),
        solution=row.solution,
        identifiers=tuple(row.identifiers),
        location=row.location,
        source_code=row.source_code,
        created_at=row.created_at,
        updated_at=row.updated_at,
    )


def vulnerability_row(session: Session, number: int) -> VulnerabilityRow | None:
    """The row with that id."""
    return session.get(VulnerabilityRow, number) if 0 < number <= MAX_ID else None


def vulnerability_page(session: Session, page: Page, project_id: int) -> Slice[Vulnerability]:
    """A page of a project's vulnerabilities, newest first."""
    query = select(VulnerabilityRow).where(VulnerabilityRow.project_id == project_id)
    rows = cut(session, query.order_by(col(VulnerabilityRow.id).desc()), page)
    return Slice(items=[vulnerability_of(row) for row in rows.items], page=page, total=rows.total)
