"""Builds and signs what one gateway reads."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.access_tokens.rules import PublicKey
from appliance.gateway_feed.rules.gateways import Gateway, encode
from appliance.gateway_feed.rules.sealing import seal_api_key
from appliance.self_hosted_models.rules import ServedModel, served_identifier
from gateway.contract import feed
from gateway.contract.selection import Feature, Group


@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """Where in the feed an instance is."""

    instance_id: str
    epoch: int
    sequence: int

    def entity_tag(self, gateway_id: str) -> str:
        """The ETag of the document that this gateway would get."""
        return f'"{self.epoch}.{self.sequence}.{gateway_id}"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """How a document goes on from the one before it, and in which stream.

    `since` is the number of the one before, None for everything.
    """

    since: int | None = None
    stream: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Parts:
    """What a document says; a part that is None is as it was.

    `is_restricted`: who does not understand features and groups must serve nothing.
    """

    models: Sequence[ServedModel] = ()
    removed_models: tuple[str, ...] = ()
    issuers: tuple[str, ...] | None = None
    keys: Sequence[PublicKey] | None = None
    revocations: feed.Revocations | None = None
    switched_off: tuple[feed.SwitchedOff, ...] | None = None
    features: tuple[Feature, ...] | None = None
    groups: tuple[Group, ...] = ()
    removed_groups: tuple[int, ...] = ()
    is_restricted: bool = False


NOTHING_NEW = Parts()


def build_document(
    parts: Parts, gateway: Gateway, position: Position, *, course: Course, now: datetime
) -> feed.FeedDocument:
    """What a gateway needs to know."""
    return feed.FeedDocument(
        instance_id=position.instance_id,
        gateway_id=gateway.id,
        epoch=position.epoch,
        sequence=position.sequence,
        issued_at=int(now.timestamp()),
        clock_ms=int(now.timestamp() * 1000),
        since=course.since,
        stream=course.stream,
        models=tuple(_feed_model(each, gateway) for each in parts.models),
        removed_models=parts.removed_models,
        requires=(feed.SELECTIONS,) if parts.is_restricted else (),
        issuers=parts.issuers,
        keys=_feed_keys(parts.keys),
        revocations=parts.revocations,
        switched_off=parts.switched_off,
        features=parts.features,
        groups=parts.groups,
        removed_groups=parts.removed_groups,
    )


def _feed_keys(keys: Sequence[PublicKey] | None) -> tuple[feed.FeedKey, ...] | None:
    if keys is None:
        return None
    return tuple(feed.FeedKey(kid=key.kid, n=key.n, e=key.e) for key in keys)


def _feed_model(served_model: ServedModel, gateway: Gateway) -> feed.FeedModel:
    model, api_key = served_model.model, served_model.api_key
    return feed.FeedModel(
        ref=model.ref,
        name=model.name,
        family=model.family,
        provider=model.provider,
        identifier=served_identifier(model.identifier),
        endpoints=model.endpoints,
        sealed_api_key=seal_api_key(api_key, ref=model.ref, sealing_key=gateway.sealing_key)
        if api_key
        else None,
        # A gateway that knows of no allow-list must not serve the model to everybody.
        requires=(feed.ALLOWED_NETWORKS,) if model.allowed_networks else (),
        allowed_networks=tuple(model.allowed_networks),
        max_in_flight=model.max_in_flight or 0,
    )


def sign_document(document: feed.FeedDocument, key: Ed25519PrivateKey) -> feed.SignedFeed:
    """The document as it goes over the wire."""
    body = msgspec.json.encode(document)
    signature = key.sign(feed.SIGNATURE_CONTEXT + body)
    return feed.SignedFeed(document=encode(body), signature=encode(signature))
