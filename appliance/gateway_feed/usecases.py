"""What gateways ask of the instance, and what the set-up does for them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.access_tokens.usecases import Minter
from appliance.audit.rules import SYSTEM, Target
from appliance.audit.usecases import record
from appliance.explanations.usecases import store_decisions
from appliance.gateway_feed import rules, tables
from appliance.gateway_feed.errors import (
    AssertionRefusedError,
    GatewayKeyInvalidError,
    NoFeedKeyError,
)
from appliance.gateway_feed.rules import Gateway, Position
from appliance.self_hosted_models.usecases import served_models
from appliance.storage.engine import Session
from appliance.storage.identity import read_identity
from appliance.storage.outbox import forget, last_sequence, publish
from appliance.storage.sealing import Sealer
from appliance.usage.usecases import count
from gateway.contract.events import Batch, Receipt
from gateway.contract.feed import ModelState, Report, SignedFeed

TOPIC = "gateway"
OUTBOX_KEPT = timedelta(days=7)

Change = Literal["created", "changed", "known"]


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedAnswer:
    """What a gateway gets: its document, or None when it has the newest one already."""

    entity_tag: str
    signed: SignedFeed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a gateway is registered with."""

    name: str
    signing_key: str
    sealing_key: str


def authenticate(
    session: Session, authorization: str | None, *, instance_id: str, now: datetime
) -> rules.AcceptedAssertion:
    """Verifies the assertion of a request; `use_assertion` must follow, in a write.

    Apart from that, because garbage must not cost the database's one writer anything.

    Raises:
        AssertionRefusedError: not a registered gateway that speaks now.
    """
    text, kid = rules.claimed_gateway(authorization)
    row = tables.gateway_row(session, kid)
    if row is None:
        raise AssertionRefusedError(reason="gateway_unknown")
    gateway = tables.gateway_of(row)
    return rules.check_assertion(text, gateway, instance_id=instance_id, now=now)


def use_assertion(
    session: Session, assertion: rules.AcceptedAssertion, *, now: datetime
) -> Gateway:
    """Takes a verified assertion, once; its gateway counts as seen.

    Raises:
        AssertionRefusedError: it was used before, or the gateway is gone meanwhile.
    """
    row = tables.gateway_row(session, assertion.gateway_id)
    if row is None:
        raise AssertionRefusedError(reason="gateway_unknown")
    if tables.is_used(session, assertion):
        raise AssertionRefusedError(reason="assertion_replayed")
    tables.note_used(session, assertion, now=now)
    row.last_seen_at = now
    session.flush()
    return tables.gateway_of(row)


def read_feed(
    session: Session, gateway: Gateway, *, if_none_match: str | None, sealer: Sealer, now: datetime
) -> FeedAnswer:
    """The newest document for a gateway; reads no model when the gateway has it.

    Raises:
        NoFeedKeyError: nothing to sign with.
    """
    identity = read_identity(session)
    position = Position(
        instance_id=identity.instance_id,
        epoch=identity.feed_epoch,
        sequence=last_sequence(session),
    )
    tag = position.entity_tag(gateway.id)
    if if_none_match is not None and if_none_match.removeprefix("W/") == tag:
        return FeedAnswer(entity_tag=tag, signed=None)
    document = rules.build_document(served_models(session, sealer), gateway, position, now=now)
    signed = rules.sign_document(document, _feed_key(session, sealer))
    return FeedAnswer(entity_tag=tag, signed=signed)


def store_report(session: Session, gateway: Gateway, report: Report) -> None:
    """Keeps what a gateway said of itself."""
    row = tables.gateway_row(session, gateway.id)
    if row is not None:
        tables.store_report(row, report)


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


def prune_outbox(session: Session, *, now: datetime) -> None:
    """Forgets changes that every follower has taken over long ago."""
    forget(session, before=now - OUTBOX_KEPT)


def list_gateways(session: Session) -> Sequence[Gateway]:
    """Every registered gateway, by name."""
    return tables.all_gateways(session)


def state_of_model(session: Session, ref: str, *, now: datetime) -> ModelState | None:
    """What present gateways say of a model; None when none of them has spoken of it."""
    return rules.state_of_model(tables.all_gateways(session), ref, at=now)


def ensure_feed_key(session: Session, sealer: Sealer, *, now: datetime) -> bool:
    """Gives a new instance its feed key; tells whether it did."""
    if tables.feed_key_row(session) is not None:
        return False
    key = Ed25519PrivateKey.generate()
    row = tables.FeedKeyRow(
        id=tables.ONLY_ROW,
        public_key=key.public_key().public_bytes_raw(),
        sealed_private_key=sealer.seal(key.private_bytes_raw(), tables.FEED_KEY_PLACE),
        created_at=now,
    )
    session.add(row)
    session.flush()
    return True


def feed_public_key(session: Session) -> str:
    """What a gateway pins: the raw public key, base64url.

    Raises:
        NoFeedKeyError: there is none yet.
    """
    row = tables.feed_key_row(session)
    if row is None:
        raise NoFeedKeyError
    return rules.encode(row.public_key)


def ensure_gateway(session: Session, registration: Registration, *, now: datetime) -> Change:
    """Registers a gateway; one of that name with other keys gives way to it.

    Raises:
        GatewayKeyInvalidError: a key that is none.
    """
    signing_key = rules.decode_raw_key(registration.signing_key, "signing_key")
    sealing_key = rules.decode_raw_key(registration.sealing_key, "sealing_key")
    if not rules.is_usable_key(signing_key, sealing_key):
        raise GatewayKeyInvalidError(field="keys")
    gateway_id = rules.gateway_id(signing_key)
    known = tables.gateway_row_named(session, registration.name)
    if known is not None and (known.id, known.sealing_key) == (gateway_id, sealing_key):
        return "known"
    for stale in (known, tables.gateway_row(session, gateway_id)):
        if stale is not None:
            session.delete(stale)
            session.flush()
    row = tables.GatewayRow(
        id=gateway_id,
        name=registration.name,
        signing_key=signing_key,
        sealing_key=sealing_key,
        registered_at=now,
    )
    session.add(row)
    session.flush()
    change: Change = "created" if known is None else "changed"
    publish(session, TOPIC, {"id": gateway_id, "change": change}, now=now)
    target = Target(kind="gateway", id=gateway_id)
    details = {"name": registration.name, "change": change}
    record(session, "gateway_registered", actor=SYSTEM, target=target, details=details, now=now)
    return change


def _feed_key(session: Session, sealer: Sealer) -> Ed25519PrivateKey:
    row = tables.feed_key_row(session)
    if row is None:
        raise NoFeedKeyError
    text = sealer.unseal(row.sealed_private_key, tables.FEED_KEY_PLACE)
    return Ed25519PrivateKey.from_private_bytes(text)
