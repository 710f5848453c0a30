"""The rows of decisions that refused somebody."""

from datetime import datetime

from sqlmodel import Field

from appliance.storage.engine import Row


class DecisionRow(Row, table=True):
    """A refusal, by the `decision_id` that the caller was shown."""

    __tablename__ = "decisions"

    decision_id: str = Field(primary_key=True)
    gateway_id: str
    happened_at: datetime = Field(index=True)
    user_id: int | None = Field(default=None, index=True)
    subject: str
    namespace_id: int | None = None
    code: str
    unit_primitive: str
    provider: str | None = None
    model: str | None = None
