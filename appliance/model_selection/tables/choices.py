"""The rows of what groups choose."""

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from sqlalchemy import Column, ForeignKey, Integer, UniqueConstraint
from sqlalchemy import select as columns
from sqlmodel import Field, col, select

from appliance.storage.engine import Row, Session
from gateway.contract.selection import Choice


class ChoiceRow(Row, table=True):
    """A group's choice for a feature; with `allows_all` it narrows nothing, else to its rows."""

    __tablename__ = "namespace_choices"
    __table_args__ = (UniqueConstraint("namespace_id", "feature"),)

    id: int | None = Field(default=None, primary_key=True)
    namespace_id: int = Field(
        sa_column=Column(Integer, ForeignKey("namespaces.id", ondelete="CASCADE"), nullable=False)
    )
    feature: str = Field(index=True)
    model_ref: str = Field(index=True)
    allows_all: bool
    is_locked: bool
    created_at: datetime
    updated_at: datetime


class NarrowedModelRow(Row, table=True):
    """A model that a group leaves to itself and the groups below."""

    __tablename__ = "namespace_choice_models"

    choice_id: int = Field(
        sa_column=Column(
            Integer, ForeignKey("namespace_choices.id", ondelete="CASCADE"), primary_key=True
        )
    )
    ref: str = Field(primary_key=True, index=True)


def choices_of(
    session: Session, namespace_ids: Collection[int] | None
) -> Mapping[int, Sequence[Choice]]:
    """The choices of these groups (None: of all), by group and in the order of features.

    Two queries; of some groups only as many as the database takes parameters.
    """
    # Past the mapper: those of all groups are read for each gateway that starts.
    session.flush()
    plain = session.connection()
    query = columns(
        col(ChoiceRow.id),
        col(ChoiceRow.namespace_id),
        col(ChoiceRow.feature),
        col(ChoiceRow.model_ref),
        col(ChoiceRow.is_locked),
        col(ChoiceRow.allows_all),
    ).order_by(col(ChoiceRow.feature))
    models = columns(col(NarrowedModelRow.choice_id), col(NarrowedModelRow.ref))
    if namespace_ids is not None:
        query = query.where(col(ChoiceRow.namespace_id).in_(namespace_ids))
        ids = select(ChoiceRow.id).where(col(ChoiceRow.namespace_id).in_(namespace_ids))
        models = models.where(col(NarrowedModelRow.choice_id).in_(ids))
    narrowed: dict[int | None, set[str]] = defaultdict(set)
    for choice_id, ref in plain.execute(models):
        narrowed[choice_id].add(ref)
    found: dict[int, list[Choice]] = defaultdict(list)
    for number, group, feature, model, is_locked, allows_all in plain.execute(query):
        narrowed_to = None if allows_all else frozenset(narrowed[number])
        found[group].append(Choice(feature, model, is_locked, narrowed_to))
    return found


def is_any(session: Session) -> bool:
    """Whether any group has chosen anything."""
    return session.exec(select(ChoiceRow.id).limit(1)).first() is not None
