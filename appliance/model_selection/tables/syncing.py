"""Stores what a look at a gateway's definitions came to."""

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import BindParameter, bindparam, delete, insert, literal, update
from sqlalchemy import select as columns
from sqlmodel import select

from appliance.model_selection.rules.definitions import Offer, Problem
from appliance.model_selection.rules.pool import OfferedModel
from appliance.model_selection.rules.syncing import SyncState
from appliance.model_selection.tables.choices import ChoiceRow, NarrowedModelRow
from appliance.model_selection.tables.features import AllowedModelRow, FeatureSettingRow
from appliance.model_selection.tables.offers import (
    ONLY_ROW,
    ModelSyncRow,
    OfferedFeatureRow,
    OfferedModelRow,
)
from appliance.storage.engine import Row, Session
from gateway.contract.selection import ref_key

# The tables themselves: through the mapper each of 100,000 rows takes three times as long.
_MODELS = Row.metadata.tables[OfferedModelRow.__tablename__]
_FEATURES = Row.metadata.tables[OfferedFeatureRow.__tablename__]
# A feature, whether the model is its default, and whether as a trial.
_Suiting = tuple[str, bool, bool]


def add_offers(session: Session, offers: Sequence[Offer], *, now: datetime) -> None:
    """New models."""
    if not offers:
        return
    times = {"created_at": now, "updated_at": now}
    session.execute(insert(_MODELS), [{**_fields(offer), **times} for offer in offers])
    query = columns(_MODELS.c.ref_key, _MODELS.c.id)
    ids = {row.ref_key: row.id for row in session.execute(query)}
    new = [(ids[ref_key(offer.ref)], each) for offer in offers for each in _suiting(offer)]
    _add_features(session, new)


def rewrite_offers(
    session: Session, pairs: Sequence[tuple[OfferedModel, Offer]], *, now: datetime
) -> None:
    """The models as they are offered now; each comes with what is stored of it."""
    if not pairs:
        return
    values = {"retired_at": None, "updated_at": now}
    rows = [{"number": model.id, **_fields(offer), **values} for model, offer in pairs]
    by_id = update(_MODELS).where(_MODELS.c.id == bindparam("number"))
    session.execute(by_id, rows)
    changed = [(model.id, _suiting(model), _suiting(offer)) for model, offer in pairs]
    _forget_features(
        session, [(number, each) for number, was, is_ in changed for each in was - is_]
    )
    _add_features(session, [(number, each) for number, was, is_ in changed for each in is_ - was])


def retire_offers(session: Session, model_ids: Collection[int], *, now: datetime) -> None:
    """They are offered no more."""
    query = update(_MODELS).where(_MODELS.c.id.in_(_listed(model_ids)))
    session.execute(query.values(retired_at=now, updated_at=now))


def delete_offers(session: Session, model_ids: Collection[int]) -> None:
    """They are forgotten, with what they suit."""
    session.execute(delete(_MODELS).where(_MODELS.c.id.in_(_listed(model_ids))))


def named_refs(session: Session) -> set[str]:
    """Every ref that a setting or a choice names; four queries."""
    columns = (
        FeatureSettingRow.default_ref,
        AllowedModelRow.ref,
        ChoiceRow.model_ref,
        NarrowedModelRow.ref,
    )
    found = {ref for column in columns for ref in session.exec(select(column).distinct())}
    return {ref for ref in found if ref is not None}


def sync_state(session: Session) -> SyncState | None:
    """The last look; None before the first."""
    row = session.get(ModelSyncRow, ONLY_ROW)
    if row is None:
        return None
    return SyncState(
        source=row.source,
        tried_at=row.tried_at,
        succeeded_at=row.succeeded_at,
        failures=row.failures,
        due_at=row.due_at,
        failure=row.failure,
        problems=tuple(Problem.from_dict(each) for each in row.problems),
    )


def keep_sync_state(session: Session, state: SyncState) -> None:
    """Remembers a look in place of the one before."""
    row = session.get(ModelSyncRow, ONLY_ROW)
    fields: dict[str, Any] = {
        "source": state.source,
        "tried_at": state.tried_at,
        "succeeded_at": state.succeeded_at,
        "failures": state.failures,
        "due_at": state.due_at,
        "failure": state.failure,
        "problems": [problem.as_dict() for problem in state.problems],
    }
    if row is None:
        session.add(ModelSyncRow(id=ONLY_ROW, **fields))
    else:
        for name, value in fields.items():
            setattr(row, name, value)
    session.flush()


def _fields(offer: Offer) -> dict[str, Any]:
    return {
        "ref": offer.ref,
        "ref_key": ref_key(offer.ref),
        "name": offer.name,
        "provider": offer.provider,
        "family": offer.family,
        "release_state": offer.release_state,
        "description": offer.description,
        "cost_indicator": offer.cost_indicator,
        "context_tokens": offer.context_tokens,
        "is_served": offer.is_served,
    }


def _suiting(offered: OfferedModel | Offer) -> frozenset[_Suiting]:
    return frozenset(
        (feature, feature in offered.default_for, feature in offered.beta_for)
        for feature in offered.features | offered.beta_for
    )


def _add_features(session: Session, new: Iterable[tuple[int, _Suiting]]) -> None:
    # A statement for each feature in place of a row for each model: a third of the time.
    for (feature, is_default, is_beta), model_ids in _by_suiting(new).items():
        rows = columns(_MODELS.c.id, literal(feature), literal(is_default), literal(is_beta))
        rows = rows.where(_MODELS.c.id.in_(_listed(model_ids)))
        names = ["offered_model_id", "feature", "is_default", "is_beta"]
        session.execute(insert(_FEATURES).from_select(names, rows))


def _forget_features(session: Session, old: Iterable[tuple[int, _Suiting]]) -> None:
    for (feature, *_), model_ids in _by_suiting(old).items():
        is_meant = _FEATURES.c.offered_model_id.in_(_listed(model_ids))
        session.execute(delete(_FEATURES).where(_FEATURES.c.feature == feature, is_meant))


def _by_suiting(pairs: Iterable[tuple[int, _Suiting]]) -> Mapping[_Suiting, Sequence[int]]:
    found: dict[_Suiting, list[int]] = defaultdict(list)
    for model_id, suiting in pairs:
        found[suiting].append(model_id)
    return found


def _listed(numbers: Collection[int]) -> BindParameter[Sequence[int]]:
    # Within the statement: there may be more than a database takes as parameters.
    return bindparam("numbers", list(numbers), expanding=True, literal_execute=True)
