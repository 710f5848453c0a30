"""Keeps what gateways tell of themselves, and counts what they tell of usage."""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from appliance.access_tokens.usecases import Minter
from appliance.explanations.usecases import store_decisions
from appliance.gateway_feed import rules, tables
from appliance.gateway_feed.rules import AcceptedAssertion, Gateway
from appliance.storage.engine import Session
from appliance.usage.usecases import count
from gateway.contract.events import Batch, Receipt
from gateway.contract.feed import ModelState, Report


def store_report(
    session: Session, assertion: AcceptedAssertion, report: Report, *, now: datetime
) -> None:
    """Keeps what a gateway said of itself, and how far its clock is from ours."""
    row = tables.gateway_row(session, assertion.gateway_id)
    if row is not None:
        tables.store_report(row, report, rules.own_kids(report))
        skew_ms = rules.reported_skew_ms(report, now=now, otherwise=assertion.skew_ms)
        tables.note_skew(row, skew_ms, now=now)


def mark_streaming(session: Session, gateway_ids: Collection[str], *, now: datetime) -> None:
    """These gateways have a stream open: they count as seen."""
    tables.mark_streaming(session, gateway_ids, now=now)


def take_batch(
    session: Session,
    gateway: Gateway,
    batch: Batch,
    *,
    minter: Minter,
    keeps: timedelta,
    now: datetime,
) -> Receipt:
    """Counts what a gateway tells; `keeps` is how long single events are kept."""
    subjects = {each.subject for each in batch.events}
    subjects |= {each.subject for each in batch.decisions}
    user_ids = minter.users_by_global_id(session, subjects)
    refused = count(session, gateway.id, batch.events, user_ids=user_ids, now=now, keeps=keeps)
    kept = store_decisions(session, gateway.id, batch.decisions, user_ids=user_ids, now=now)
    return Receipt(refused=(*refused, *kept))


def state_of_model(session: Session, ref: str, *, now: datetime) -> ModelState | None:
    """What present gateways say of a model; None when none of them has spoken of it."""
    return rules.state_of_model(tables.all_gateways(session), ref, at=now)


def states_of_models(
    session: Session, refs: Collection[str], *, now: datetime
) -> Mapping[str, ModelState | None]:
    """The same of several models, by ref."""
    gateways = tables.all_gateways(session)
    return {ref: rules.state_of_model(gateways, ref, at=now) for ref in refs}


def kids_held(session: Session, *, now: datetime) -> Mapping[str, frozenset[str]]:
    """Which signing keys each gateway that was seen in the last five minutes can verify with."""
    return {
        gateway.name: gateway.kids
        for gateway in tables.all_gateways(session)
        if gateway.counts_for_keys(at=now)
    }
