"""The rows of models that a gateway brings, and of the last look at its definitions."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import JSON, Column, ForeignKey, Integer, case, func
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
    """Every model that a gateway brings, by ref; one query."""
    # Of 10,000 models for 18 features it would take seconds to read a row for each.
    suiting = (
        columns(_OF, *(func.aggregate_strings(case((which, _FEATURE)), _GAP) for which in _WHICH))
        .group_by(_OF)
        .subquery()
    )
    query = (
        columns(*(col(each) for each in _MODEL), *suiting.c[1:])
        .outerjoin(suiting, suiting.c[0] == col(OfferedModelRow.id))
        .order_by(col(OfferedModelRow.ref_key))
    )
    # Most models are for the same features.
    sets: dict[str | None, frozenset[str]] = {None: frozenset()}
    return [_offered_of(row, sets) for row in session.execute(query)]


_OF = col(OfferedFeatureRow.offered_model_id)
_FEATURE = col(OfferedFeatureRow.feature)
_WHICH = (
    ~col(OfferedFeatureRow.is_beta),
    col(OfferedFeatureRow.is_beta),
    col(OfferedFeatureRow.is_default),
)
# Between names of features, which have none in them.
_GAP = " "
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
_FIELDS = tuple(each.key for each in _MODEL)


def has_ref(session: Session, ref: str) -> bool:
    """Whether a model has that ref, but for case and separators."""
    query = select(OfferedModelRow.id).where(OfferedModelRow.ref_key == ref_key(ref))
    return session.exec(query).first() is not None


def _offered_of(row: Sequence[Any], sets: dict[str | None, frozenset[str]]) -> OfferedModel:
    *fields, features, beta_for, default_for = row
    for text in (features, beta_for, default_for):
        if text not in sets:
            sets[text] = frozenset(text.split(_GAP))
    return OfferedModel(
        **dict(zip(_FIELDS, fields, strict=True)),
        features=sets[features],
        beta_for=sets[beta_for],
        default_for=sets[default_for],
    )
