"""The rows of models that a gateway brings, and of the last look at its definitions."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, cast

from sqlalchemy import JSON, Column, ForeignKey, Integer
from sqlmodel import Field, col, select

from appliance.model_selection.rules.pool import OfferedModel
from appliance.storage.engine import Row, Session
from gateway.contract.catalog import ReleaseState
from gateway.contract.selection import ref_key

ONLY_ROW = 1


class OfferedModelRow(Row, table=True):
    """A model; `retired_at` is when the gateway no longer named it, though a choice still did."""

    __tablename__ = "offered_models"
    # Choices and the audit name it.
    __table_args__ = {"sqlite_autoincrement": True}  # noqa: RUF012  # SQLAlchemy's own name

    id: int | None = Field(default=None, primary_key=True)
    ref: str
    ref_key: str = Field(unique=True)
    name: str
    provider: str
    family: str | None = None
    release_state: str
    description: str | None = None
    cost_indicator: str | None = None
    context_tokens: int | None = None
    is_served: bool
    retired_at: datetime | None = None
    created_at: datetime
    updated_at: datetime


class OfferedFeatureRow(Row, table=True):
    """A feature that a model is offered for."""

    __tablename__ = "offered_model_features"

    offered_model_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("offered_models.id", ondelete="CASCADE"), primary_key=True
        )
    )
    feature: str = Field(primary_key=True)
    is_default: bool
    is_beta: bool


class ModelSyncRow(Row, table=True):
    """The last look at the definitions of the gateway at `source`; `failures` in a row.

    `failure` is a sentence, None when the last look succeeded; `problems` are of the last document
    that could be read.
    """

    __tablename__ = "model_syncs"

    id: int = Field(primary_key=True)
    source: str
    tried_at: datetime
    succeeded_at: datetime | None = None
    failures: int = 0
    due_at: datetime
    failure: str | None = None
    problems: list[dict[str, Any]] = Field(sa_column=Column(JSON, nullable=False))


def all_offered(session: Session) -> Sequence[OfferedModel]:
    """Every model that a gateway brings, by ref; two queries."""
    features: dict[int, list[OfferedFeatureRow]] = defaultdict(list)
    for row in session.exec(select(OfferedFeatureRow)):
        features[row.offered_model_id].append(row)
    rows = session.exec(select(OfferedModelRow).order_by(col(OfferedModelRow.ref_key)))
    return [offered_of(row, features[row.id or 0]) for row in rows]


def has_ref(session: Session, ref: str) -> bool:
    """Whether a model has that ref, but for case and separators."""
    query = select(OfferedModelRow.id).where(OfferedModelRow.ref_key == ref_key(ref))
    return session.exec(query).first() is not None


def offered_of(row: OfferedModelRow, features: Sequence[OfferedFeatureRow]) -> OfferedModel:
    """The rows as a value."""
    assert row.id is not None  # noqa: S101  # it comes from the database
    return OfferedModel(
        id=row.id,
        ref=row.ref,
        name=row.name,
        provider=row.provider,
        family=row.family,
        release_state=cast("ReleaseState", row.release_state),
        description=row.description,
        cost_indicator=row.cost_indicator,
        context_tokens=row.context_tokens,
        is_served=row.is_served,
        retired_at=row.retired_at,
        features=frozenset(each.feature for each in features if not each.is_beta),
        beta_for=frozenset(each.feature for each in features if each.is_beta),
        default_for=frozenset(each.feature for each in features if each.is_default),
    )
