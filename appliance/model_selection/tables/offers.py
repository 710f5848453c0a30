"""The rows of models that a gateway brings, and of the last look at its definitions."""

from collections import defaultdict
from collections.abc import Sequence
from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import JSON, Column, ForeignKey, Integer, RowMapping
from sqlalchemy import select as columns
from sqlmodel import Field, col, select

from appliance.model_selection.rules.pool import OfferedModel
from appliance.storage.engine import Row, Session
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


class _Suiting(NamedTuple):
    """A feature that a model is offered for."""

    feature: str
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
    # Columns, not rows: of many models for many features there may be 100,000.
    query = columns(*(col(each) for each in _SUITING))
    features: dict[int, list[_Suiting]] = defaultdict(list)
    for model_id, *suiting in session.execute(query):
        features[model_id].append(_Suiting(*suiting))
    models = columns(*(col(each) for each in _MODEL)).order_by(col(OfferedModelRow.ref_key))
    return [_offered_of(row, features[row["id"]]) for row in session.execute(models).mappings()]


_SUITING = (
    OfferedFeatureRow.offered_model_id,
    OfferedFeatureRow.feature,
    OfferedFeatureRow.is_default,
    OfferedFeatureRow.is_beta,
)
_MODEL: tuple[Any, ...] = (
    OfferedModelRow.id,
    OfferedModelRow.ref,
    OfferedModelRow.name,
    OfferedModelRow.provider,
    OfferedModelRow.family,
    OfferedModelRow.release_state,
    OfferedModelRow.description,
    OfferedModelRow.cost_indicator,
    OfferedModelRow.context_tokens,
    OfferedModelRow.is_served,
    OfferedModelRow.retired_at,
)


def has_ref(session: Session, ref: str) -> bool:
    """Whether a model has that ref, but for case and separators."""
    query = select(OfferedModelRow.id).where(OfferedModelRow.ref_key == ref_key(ref))
    return session.exec(query).first() is not None


def _offered_of(row: RowMapping, features: Sequence[_Suiting]) -> OfferedModel:
    return OfferedModel(
        **row,
        features=frozenset(each.feature for each in features if not each.is_beta),
        beta_for=frozenset(each.feature for each in features if each.is_beta),
        default_for=frozenset(each.feature for each in features if each.is_default),
    )
