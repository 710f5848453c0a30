"""The rows of merge requests and what they change."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import JSON, Column, ForeignKey, Integer, UniqueConstraint, delete
from sqlmodel import Field, col, select

from appliance.resources.rules import Diff, MergeRequest, MergeRequestState
from appliance.resources.tables.rows import author_column, project_column
from appliance.storage.engine import Row, Session


class MergeRequestRow(Row, table=True):
    """A merge request; `iid` counts within its project."""

    __tablename__ = "merge_requests"
    __table_args__ = (UniqueConstraint("project_id", "iid"), {"sqlite_autoincrement": True})

    id: int | None = Field(default=None, primary_key=True)
    project_id: int = Field(sa_column=project_column())
    iid: int
    author_id: int | None = Field(default=None, sa_column=author_column())
    title: str
    description: str = ""
    state: str
    is_draft: bool = False
    source_branch: str
    target_branch: str
    labels: list[str] = Field(default_factory=list, sa_column=Column(JSON, nullable=False))
    created_at: datetime
    updated_at: datetime
    merged_at: datetime | None = None
    closed_at: datetime | None = None


class DiffRow(Row, table=True):
    """What a merge request changes in one file, as a unified diff without its head."""

    __tablename__ = "merge_request_diffs"
    __table_args__ = (UniqueConstraint("merge_request_id", "position"),)

    id: int | None = Field(default=None, primary_key=True)
    merge_request_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("merge_requests.id", ondelete="CASCADE"), nullable=False
        )
    )
    position: int
    old_path: str
    new_path: str
    is_new: bool = False
    is_renamed: bool = False
    is_deleted: bool = False
    diff: str


def merge_request_of(row: MergeRequestRow) -> MergeRequest:
    """The row as a value."""
    assert row.id is not None  # noqa: S101  # it comes from the database
    return MergeRequest(
        id=row.id,
        project_id=row.project_id,
        iid=row.iid,
        author_id=row.author_id,
        title=row.title,
        description=row.description,
        state=cast("MergeRequestState", row.state),
        is_draft=row.is_draft,
        source_branch=row.source_branch,
        target_branch=row.target_branch,
        labels=tuple(row.labels),
        created_at=row.created_at,
        updated_at=row.updated_at,
        merged_at=row.merged_at,
        closed_at=row.closed_at,
    )


def diffs(session: Session, merge_request_id: int) -> Sequence[Diff]:
    """What the merge request changes, file by file in the order they were told in."""
    query = select(DiffRow).where(DiffRow.merge_request_id == merge_request_id)
    return [
        Diff(
            old_path=row.old_path,
            new_path=row.new_path,
            diff=row.diff,
            is_new=row.is_new,
            is_renamed=row.is_renamed,
            is_deleted=row.is_deleted,
        )
        for row in session.exec(query.order_by(col(DiffRow.position))).all()
    ]


def set_diffs(session: Session, merge_request_id: int, changed: Sequence[Diff]) -> None:
    """Puts these in the place of all that the merge request had."""
    session.execute(delete(DiffRow).where(col(DiffRow.merge_request_id) == merge_request_id))
    session.add_all(
        DiffRow(
            merge_request_id=merge_request_id,
            position=position,
            old_path=each.old_path,
            new_path=each.new_path,
            diff=each.diff,
            is_new=each.is_new,
            is_renamed=each.is_renamed,
            is_deleted=each.is_deleted,
        )
        for position, each in enumerate(changed)
    )
    session.flush()
