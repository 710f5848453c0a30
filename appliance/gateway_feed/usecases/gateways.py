"""Registers gateways, removes them, and tells an admin how each of them is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.audit.rules import SYSTEM, Actor, Target
from appliance.audit.usecases import record
from appliance.errors import NotFoundError
from appliance.gateway_feed import rules, tables
from appliance.gateway_feed.errors import (
    GatewayKeyInvalidError,
    GatewayTakenError,
    NoFeedKeyError,
    PublicHalvesMismatchError,
)
from appliance.gateway_feed.rules import Gateway
from appliance.storage.engine import Session
from appliance.storage.identity import read_identity
from appliance.storage.outbox import backlog, forget, publish
from appliance.storage.sealing import Sealer

TOPIC = "gateway"
# Longer than any token lives: a snapshot says what was revoked from what is kept here.
OUTBOX_KEPT = timedelta(days=7)
ALL_ARE_GONE = (
    "No gateway is registered any more: nobody gets an answer from a model until one is added."
)

Change = Literal["created", "changed", "known"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a gateway is registered with: the public halves of its keys, as it prints them.

    `gateway_id` is checked when it is given.
    """

    name: str
    signing_key: str
    sealing_key: str
    gateway_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Follower:
    """A gateway as an admin sees it.

    It lacks `changes_behind` changes, None when it has to read everything; `seconds_behind` is
    how old the first of them is.
    """

    gateway: Gateway
    changes_behind: int | None
    seconds_behind: float | None


def list_gateways(session: Session) -> Sequence[Gateway]:
    """Every registered gateway, by name."""
    return tables.all_gateways(session)


def followers(session: Session, *, now: datetime) -> Sequence[Follower]:
    """Every registered gateway and how far it follows, by name."""
    return [_follower(session, each, now=now) for each in tables.all_gateways(session)]


def follower(session: Session, name: str, *, now: datetime) -> Follower:
    """One of them.

    Raises:
        NotFoundError: no gateway has that name.
    """
    return _follower(session, tables.gateway_of(_row(session, name)), now=now)


def _follower(session: Session, gateway: Gateway, *, now: datetime) -> Follower:
    if gateway.sequence is None or gateway.epoch != read_identity(session).feed_epoch:
        return Follower(gateway=gateway, changes_behind=None, seconds_behind=None)
    changes, first = backlog(session, gateway.sequence)
    seconds = max(0.0, (now - first).total_seconds()) if first is not None else 0.0
    return Follower(gateway=gateway, changes_behind=changes, seconds_behind=seconds)


def add_gateway(
    session: Session, registration: Registration, *, actor: Actor, now: datetime
) -> Gateway:
    """Registers a gateway beside those that there are.

    Raises:
        InvalidFieldsError: it cannot be called that, or the id is not that of its key.
        GatewayKeyInvalidError: a key that is none.
        GatewayTakenError: the name or the key is registered already.
    """
    rules.check_name(registration.name)
    signing_key, sealing_key = _keys(registration)
    gateway_id = rules.gateway_id(signing_key)
    if registration.gateway_id not in {None, gateway_id}:
        raise PublicHalvesMismatchError
    if tables.gateway_row_named(session, registration.name) is not None:
        raise GatewayTakenError(field="name", name=registration.name)
    if (known := tables.gateway_row(session, gateway_id)) is not None:
        raise GatewayTakenError(field="signing_key", name=known.name)
    row = _add(session, registration.name, (signing_key, sealing_key), now=now)
    _announce(session, row, "created", actor=actor, now=now)
    return tables.gateway_of(row)


def remove_gateway(session: Session, name: str, *, actor: Actor, now: datetime) -> str | None:
    """Registers a gateway no more: its streams end; tells what follows for everybody else.

    Raises:
        NotFoundError: no gateway has that name.
    """
    row = _row(session, name)
    _delete(session, row)
    publish(session, TOPIC, {"id": row.id, "change": "removed"}, now=now)
    target = Target(kind="gateway", id=row.id)
    record(session, "gateway_removed", actor=actor, target=target, details={"name": name}, now=now)
    return None if tables.all_gateways(session) else ALL_ARE_GONE


def ensure_gateway(session: Session, registration: Registration, *, now: datetime) -> Change:
    """Registers a gateway; one of that name with other keys gives way to it.

    Raises:
        GatewayKeyInvalidError: a key that is none.
    """
    signing_key, sealing_key = _keys(registration)
    gateway_id = rules.gateway_id(signing_key)
    known = tables.gateway_row_named(session, registration.name)
    if known is not None and (known.id, known.sealing_key) == (gateway_id, sealing_key):
        return "known"
    _delete(session, known)
    _delete(session, tables.gateway_row(session, gateway_id))
    row = _add(session, registration.name, (signing_key, sealing_key), now=now)
    change: Change = "created" if known is None else "changed"
    _announce(session, row, change, actor=SYSTEM, now=now)
    return change


def prune_outbox(session: Session, *, now: datetime) -> None:
    """Forgets changes that every follower has taken over long ago."""
    forget(session, before=now - OUTBOX_KEPT)


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


def _row(session: Session, name: str) -> tables.GatewayRow:
    row = tables.gateway_row_named(session, name)
    if row is None:
        raise NotFoundError(what="Gateway")
    return row


def _delete(session: Session, row: tables.GatewayRow | None) -> None:
    if row is not None:
        session.delete(row)
        session.flush()


def _keys(registration: Registration) -> tuple[bytes, bytes]:
    signing_key = rules.decode_raw_key(registration.signing_key, "signing_key")
    sealing_key = rules.decode_raw_key(registration.sealing_key, "sealing_key")
    if not rules.is_usable_key(signing_key, sealing_key):
        raise GatewayKeyInvalidError(field="keys")
    return signing_key, sealing_key


def _add(
    session: Session, name: str, keys: tuple[bytes, bytes], *, now: datetime
) -> tables.GatewayRow:
    signing_key, sealing_key = keys
    row = tables.GatewayRow(
        id=rules.gateway_id(signing_key),
        name=name,
        signing_key=signing_key,
        sealing_key=sealing_key,
        registered_at=now,
    )
    session.add(row)
    session.flush()
    return row


def _announce(
    session: Session, row: tables.GatewayRow, change: Change, *, actor: Actor, now: datetime
) -> None:
    publish(session, TOPIC, {"id": row.id, "change": change}, now=now)
    target = Target(kind="gateway", id=row.id)
    details = {"name": row.name, "change": change}
    record(session, "gateway_registered", actor=actor, target=target, details=details, now=now)
