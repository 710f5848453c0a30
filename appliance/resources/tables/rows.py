"""What the rows of a project's contents have alike."""

from typing import Any

from sqlalchemy import Column, ForeignKey, Integer


def author_column() -> Any:
    """Who wrote it; null once that user is gone."""
    return Column(Integer, ForeignKey("users.id", ondelete="SET NULL"), nullable=True, index=True)


def project_column() -> Any:
    """The project that it ends with."""
    return Column(
        Integer, ForeignKey("projects.id", ondelete="CASCADE"), nullable=False, index=True
    )
