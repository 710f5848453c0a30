"""Stores what a look at a gateway's definitions came to."""

from collections.abc import Collection
from datetime import datetime
from typing import Any

from sqlmodel import col, delete, select, update

from appliance.model_selection.rules.definitions import Offer, Problem
from appliance.model_selection.rules.syncing import SyncState
from appliance.model_selection.tables.choices import ChoiceRow, NarrowedModelRow
from appliance.model_selection.tables.features import AllowedModelRow, FeatureSettingRow
from appliance.model_selection.tables.offers import (
    ONLY_ROW,
    ModelSyncRow,
    OfferedFeatureRow,
    OfferedModelRow,
)
from appliance.storage.engine import Session
from gateway.contract.selection import ref_key


def add_offer(session: Session, offer: Offer, *, now: datetime) -> None:
    """A new model."""
    fields = _fields(offer)
    row = OfferedModelRow(**fields, created_at=now, updated_at=now)
    session.add(row)
    session.flush()
    _add_features(session, row.id or 0, offer)


def rewrite_offer(session: Session, model_id: int, offer: Offer, *, now: datetime) -> None:
    """The same model, as it is offered now."""
    fields = {**_fields(offer), "retired_at": None, "updated_at": now}
    session.exec(
        update(OfferedModelRow).where(col(OfferedModelRow.id) == model_id).values(**fields)
    )
    _forget_features(session, [model_id])
    _add_features(session, model_id, offer)


def respell_offer(session: Session, model_id: int, ref: str) -> None:
    """The same ref, but for case and separators."""
    session.exec(update(OfferedModelRow).where(col(OfferedModelRow.id) == model_id).values(ref=ref))


def retire_offers(session: Session, model_ids: Collection[int], *, now: datetime) -> None:
    """They are offered no more."""
    values = {"retired_at": now, "updated_at": now}
    session.exec(
        update(OfferedModelRow).where(col(OfferedModelRow.id).in_(model_ids)).values(**values)
    )


def delete_offers(session: Session, model_ids: Collection[int]) -> None:
    """They are forgotten."""
    _forget_features(session, model_ids)
    session.exec(delete(OfferedModelRow).where(col(OfferedModelRow.id).in_(model_ids)))


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


def _add_features(session: Session, model_id: int, offer: Offer) -> None:
    session.add_all(
        OfferedFeatureRow(
            offered_model_id=model_id,
            feature=feature,
            is_default=feature in offer.default_for,
            is_beta=feature in offer.beta_for,
        )
        for feature in sorted(offer.features | offer.beta_for)
    )
    session.flush()


def _forget_features(session: Session, model_ids: Collection[int]) -> None:
    session.exec(
        delete(OfferedFeatureRow).where(col(OfferedFeatureRow.offered_model_id).in_(model_ids))
    )
