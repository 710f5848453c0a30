"""The rows of usage events and of their sums by day."""

from datetime import date, datetime

from sqlalchemy import BigInteger, Column, Index
from sqlmodel import Field

from appliance.storage.engine import Row


class UsageEventRow(Row, table=True):
    """One use of a feature, as a gateway told it; the pair of ids makes it count once."""

    __tablename__ = "usage_events"
    __table_args__ = (Index("ix_usage_events_user_at", "user_id", "happened_at"),)

    gateway_id: str = Field(primary_key=True)
    event_id: str = Field(primary_key=True)
    happened_at: datetime = Field(index=True)
    received_at: datetime
    request_id: str
    issuer: str
    # None when the token was about somebody who is gone, or of another issuer.
    user_id: int | None = None
    subject: str
    namespace_id: int | None = Field(default=None, index=True)
    root_namespace_id: int | None = Field(default=None, index=True)
    feature: str
    unit_primitive: str
    provider: str
    model: str
    outcome: str
    status: int
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    queue_ms: float | None = None
    first_token_ms: float | None = None
    duration_ms: float | None = None


class UsageDayRow(Row, table=True):
    """The sums of one day (UTC), feature, provider, model, group and user; 0 stands for none."""

    __tablename__ = "usage_days"

    day: date = Field(primary_key=True)
    feature: str = Field(primary_key=True)
    provider: str = Field(primary_key=True)
    model: str = Field(primary_key=True)
    namespace_id: int = Field(primary_key=True)
    user_id: int = Field(primary_key=True)
    requests: int
    answered: int
    prompt_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
    completion_tokens: int = Field(sa_column=Column(BigInteger, nullable=False))
