"""What gateways read: everything, what changed, or that nothing did."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.access_tokens.usecases import Minter, published_keys, switched_off
from appliance.accounts.usecases import grant_era
from appliance.gateway_feed import rules, tables
from appliance.gateway_feed.errors import NoFeedKeyError
from appliance.gateway_feed.rules import Course, Gateway, Parts, Position
from appliance.instance_settings.rules import Addresses
from appliance.instance_settings.usecases import accepted_issuers
from appliance.model_selection.usecases import choices_among, is_restricted, offers
from appliance.namespaces.usecases import parents_among
from appliance.self_hosted_models.usecases import served_models
from appliance.storage.engine import Session
from appliance.storage.identity import read_identity
from appliance.storage.outbox import (
    Change,
    changes_after,
    changes_from,
    last_sequence,
    reaches_back_to,
)
from appliance.storage.sealing import Sealer
from gateway.contract.catalog import Catalog
from gateway.contract.feed import Revocations, SignedFeed
from gateway.contract.selection import Feature, Group

# More groups than these are not asked for by number: a query takes only so many.
NAMED_GROUPS = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """What documents are made with; `told` are the addresses that the environment says."""

    sealer: Sealer
    minter: Minter
    catalog: Catalog
    told: Addresses


@dataclass(frozen=True, slots=True, kw_only=True)
class FeedAnswer:
    """What a gateway gets: its document, or None when it has the newest one already."""

    entity_tag: str
    signed: SignedFeed | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A gateway asks for a stream; `stream` is its assertion's `jti`.

    `epoch` and `sequence` say where it stands, None when it has nothing.
    """

    gateway_id: str
    stream: str
    epoch: int | None = None
    sequence: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Standpoint:
    """How far a stream has told its gateway everything."""

    gateway: Gateway
    stream: str
    position: Position
    key: Ed25519PrivateKey = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """The next document of a stream, and where the stream stands after it."""

    standpoint: Standpoint
    signed: SignedFeed


def read_feed(
    session: Session,
    gateway: Gateway,
    *,
    if_none_match: str | None,
    sources: Sources,
    now: datetime,
) -> FeedAnswer:
    """The newest document for a gateway; reads nothing else when the gateway has it.

    Raises:
        NoFeedKeyError: nothing to sign with.
    """
    position = _position(session)
    tag = position.entity_tag(gateway.id)
    if if_none_match is not None and if_none_match.removeprefix("W/") == tag:
        return FeedAnswer(entity_tag=tag, signed=None)
    parts = _everything(session, sources, now=now)
    document = rules.build_document(parts, gateway, position, course=Course(), now=now)
    signed = rules.sign_document(document, _feed_key(session, sources.sealer))
    return FeedAnswer(entity_tag=tag, signed=signed)


def open_stream(session: Session, wish: Wish, *, sources: Sources, now: datetime) -> Step | None:
    """The first document of a stream; None when its gateway is gone meanwhile.

    It goes on from where the gateway stands if it can, and else says everything. What the
    environment says, and what a release defines, may have changed without a change in the outbox:
    so all that is small is said in full.

    Raises:
        NoFeedKeyError: nothing to sign with.
    """
    gateway = _gateway(session, wish.gateway_id)
    if gateway is None:
        return None
    position = _position(session)
    since = wish.sequence if wish.epoch == position.epoch else None
    if since is None or not reaches_back_to(session, since):
        since, parts = None, _everything(session, sources, now=now)
    else:
        changed = _changed(session, changes_after(session, since), sources, now=now)
        parts = replace(
            changed,
            issuers=accepted_issuers(session, sources.told, now=now),
            keys=published_keys(session),
            switched_off=switched_off(session, sources.catalog),
            features=_features(session, sources.catalog),
            is_restricted=is_restricted(session),
        )
    standpoint = Standpoint(
        gateway=gateway,
        stream=wish.stream,
        position=position,
        key=_feed_key(session, sources.sealer),
    )
    return _step(parts, standpoint, since=since, now=now)


def go_on(
    session: Session, standpoint: Standpoint, *, sources: Sources, now: datetime
) -> Step | None:
    """What changed since that standpoint; None when the stream's gateway is gone.

    Raises:
        NoFeedKeyError: nothing to sign with.
    """
    gateway = _gateway(session, standpoint.gateway.id)
    if gateway is None:
        return None
    since, position = standpoint.position.sequence, _position(session)
    is_known = position.epoch == standpoint.position.epoch and reaches_back_to(session, since)
    if not is_known or gateway.sealing_key != standpoint.gateway.sealing_key:
        wish = Wish(gateway_id=gateway.id, stream=standpoint.stream)
        return open_stream(session, wish, sources=sources, now=now)
    parts = _changed(session, changes_after(session, since), sources, now=now)
    moved = replace(standpoint, gateway=gateway, position=position)
    return _step(parts, moved, since=since, now=now)


def heartbeat(standpoint: Standpoint, *, now: datetime) -> SignedFeed:
    """That nothing changed up to now; asks nothing of the database."""
    since = standpoint.position.sequence
    return _step(rules.NOTHING_NEW, standpoint, since=since, now=now).signed


def _step(parts: Parts, standpoint: Standpoint, *, since: int | None, now: datetime) -> Step:
    course = Course(since=since, stream=standpoint.stream)
    document = rules.build_document(
        parts, standpoint.gateway, standpoint.position, course=course, now=now
    )
    return Step(standpoint=standpoint, signed=rules.sign_document(document, standpoint.key))


def _position(session: Session) -> Position:
    identity = read_identity(session)
    return Position(
        instance_id=identity.instance_id,
        epoch=identity.feed_epoch,
        sequence=last_sequence(session),
    )


def _gateway(session: Session, gateway_id: str) -> Gateway | None:
    row = tables.gateway_row(session, gateway_id)
    return None if row is None else tables.gateway_of(row)


def _everything(session: Session, sources: Sources, *, now: datetime) -> Parts:
    revoking = changes_from(session, now - rules.REMEMBERED_FOR, rules.REVOKING)
    return Parts(
        models=served_models(session, sources.sealer),
        issuers=accepted_issuers(session, sources.told, now=now),
        keys=published_keys(session),
        revocations=_revocations(session, revoking, sources),
        switched_off=switched_off(session, sources.catalog),
        features=_features(session, sources.catalog),
        groups=_groups(session, None),
        is_restricted=is_restricted(session),
    )


def _changed(
    session: Session, changes: Sequence[Change], sources: Sources, *, now: datetime
) -> Parts:
    news = rules.touched(changes)
    # Only those: each API key that is opened costs as much as all the rest of a model.
    models = served_models(session, sources.sealer, among=news.refs) if news.refs else []
    served = {each.model.ref for each in models}
    groups = _groups(session, news.groups) if news.groups else ()
    return Parts(
        models=models,
        removed_models=tuple(sorted(news.refs - served)),
        issuers=accepted_issuers(session, sources.told, now=now) if news.has_issuers else None,
        keys=published_keys(session) if news.has_keys else None,
        revocations=_revocations(session, changes, sources) if news.has_revocations else None,
        switched_off=switched_off(session, sources.catalog) if news.has_flags else None,
        features=_features(session, sources.catalog) if news.has_features else None,
        groups=groups,
        removed_groups=tuple(sorted(news.groups - {each.id for each in groups})),
        is_restricted=bool(news.has_features or news.groups) and is_restricted(session),
    )


def _features(session: Session, catalog: Catalog) -> tuple[Feature, ...]:
    return tuple(offers(session, catalog).values())


def _groups(session: Session, among: Collection[int] | None) -> tuple[Group, ...]:
    if among is not None and len(among) > NAMED_GROUPS:
        return tuple(each for each in _groups(session, None) if each.id in among)
    choices = choices_among(session, among)
    return tuple(
        Group(number, parent_id, choices.get(number, ()))
        for number, parent_id in parents_among(session, among).items()
    )


def _revocations(session: Session, changes: Sequence[Change], sources: Sources) -> Revocations:
    name_of = sources.minter.global_user_id
    return rules.fold(changes, name_of=name_of, minimum_era=grant_era(session))


def _feed_key(session: Session, sealer: Sealer) -> Ed25519PrivateKey:
    row = tables.feed_key_row(session)
    if row is None:
        raise NoFeedKeyError
    text = sealer.unseal(row.sealed_private_key, tables.FEED_KEY_PLACE)
    return Ed25519PrivateKey.from_private_bytes(text)
