"""The rows of what an action reads."""

from datetime import datetime

from sqlalchemy import Column, ForeignKey, Integer
from sqlmodel import Field

from appliance.storage.engine import Row


class ProjectRow(Row, table=True):
    """A project of a group; `full_path_key` is the folded full path, which makes paths unique."""

    __tablename__ = "projects"
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  # SQLAlchemy's own name

    id: int | None = Field(default=None, primary_key=True)
    namespace_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("namespaces.id", ondelete="RESTRICT"), nullable=False, index=True
        )
    )
    name: str
    path: str
    full_path: str
    full_path_key: str = Field(unique=True)
    description: str = ""
    visibility: str
    duo_features_enabled: bool = True
    created_at: datetime
    updated_at: datetime
