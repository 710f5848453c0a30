"""The rows of what people say on issues and merge requests."""

from datetime import datetime

from sqlalchemy import Index
from sqlmodel import Field

from appliance.resources.tables.rows import author_column, project_column
from appliance.storage.engine import Row


class NoteRow(Row, table=True):
    """One remark on an issue or a merge request, whose id is `noteable_id`."""

    __tablename__ = "notes"
    __table_args__ = (
        Index("ix_notes_noteable", "noteable_type", "noteable_id"),
        {"sqlite_autoincrement": True},
    )

    id: int | None = Field(default=None, primary_key=True)
    project_id: int = Field(sa_column=project_column())
    noteable_type: str
    noteable_id: int
    author_id: int | None = Field(default=None, sa_column=author_column())
    body: str
    is_system: bool = False
    is_internal: bool = False
    created_at: datetime
    updated_at: datetime
