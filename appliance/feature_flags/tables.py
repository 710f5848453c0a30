"""The rows of what feature flags were set to."""

from datetime import datetime

from sqlalchemy import UniqueConstraint
from sqlmodel import Field

from appliance.storage.engine import Row


class FlagGateRow(Row, table=True):
    """One setting of a flag.

    `gate` is `everyone`, `user`, `namespace` or `percentage_of_users`; `subject_id` is the user's
    or the group's id, else 0; `value` is 0 or 1, or the percentage.
    """

    __tablename__ = "feature_flag_gates"
    __table_args__ = (UniqueConstraint("flag", "gate", "subject_id"),)

    id: int | None = Field(default=None, primary_key=True)
    flag: str
    gate: str
    subject_id: int = 0
    value: int
    updated_at: datetime
