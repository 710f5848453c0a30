"""The rows of merge requests and what they change."""

from datetime import datetime

from sqlalchemy import JSON, Column, ForeignKey, Integer, UniqueConstraint
from sqlmodel import Field

from appliance.resources.tables.rows import author_column, project_column
from appliance.storage.engine import Row


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


class DraftNoteRow(Row, table=True):
    """A remark of a review that its author has not submitted yet."""

    __tablename__ = "draft_notes"

    id: int | None = Field(default=None, primary_key=True)
    merge_request_id: int = Field(
        sa_column=Column(
            Integer,
            ForeignKey("merge_requests.id", ondelete="CASCADE"),
            nullable=False,
            index=True,
        )
    )
    author_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("users.id", ondelete="CASCADE"), nullable=False, index=True
        )
    )
    body: str
    created_at: datetime
