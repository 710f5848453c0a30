"""Stores what a look at a gateway's definitions came to."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import insert
from sqlalchemy import select as columns
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


def add_offers(session: Session, offers: Sequence[Offer], *, now: datetime) -> None:
    """New models."""
    if not offers:
        return
    times = {"created_at": now, "updated_at": now}
    session.execute(insert(OfferedModelRow), [{**_fields(offer), **times} for offer in offers])
    query = columns(col(OfferedModelRow.ref_key), col(OfferedModelRow.id))
    ids = {row.ref_key: row.id for row in session.execute(query)}
    _add_features(session, {ids[ref_key(offer.ref)]: offer for offer in offers})


def rewrite_offers(session: Session, offers: Mapping[int, Offer], *, now: datetime) -> None:
    """The same models by their ids, as they are offered now."""
    if not offers:
        return
    values = {"retired_at": None, "updated_at": now}
    rows = [{"id": number, **_fields(offer), **values} for number, offer in offers.items()]
    session.execute(update(OfferedModelRow), rows)
    _forget_features(session, offers)
    _add_features(session, offers)


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


def _add_features(session: Session, offers: Mapping[int, Offer]) -> None:
    rows = [
        {
            "offered_model_id": number,
            "feature": feature,
            "is_default": feature in offer.default_for,
            "is_beta": feature in offer.beta_for,
        }
        for number, offer in offers.items()
        for feature in sorted(offer.features | offer.beta_for)
    ]
    if rows:
        session.execute(insert(OfferedFeatureRow), rows)


def _forget_features(session: Session, model_ids: Collection[int]) -> None:
    session.exec(
        delete(OfferedFeatureRow).where(col(OfferedFeatureRow.offered_model_id).in_(model_ids))
    )
