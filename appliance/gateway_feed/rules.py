"""Checks a gateway's assertion; builds, seals and signs the document that it reads."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from appliance.gateway_feed.errors import (
    AssertionRefusedError,
    BatchRefusedError,
    GatewayKeyInvalidError,
    ReportRefusedError,
)
from appliance.self_hosted_models.rules import ServedModel
from gateway.contract import events, feed
from gateway.contract.claims import LEEWAY_S

RAW_KEY_BYTES = 32
SEEN_WITHIN = timedelta(seconds=10)
MAX_ASSERTION_CHARS = 4096
MAX_TEXT_CHARS = 255
MAX_REPORTED_MODELS = 1000
MAX_EPOCH = 2**31 - 1
MAX_SEQUENCE = 2**63 - 1

THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")

_suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A registered gateway and what is known of it; keys are raw, its id is the thumbprint."""

    id: str
    name: str
    signing_key: bytes
    sealing_key: bytes
    last_seen_at: datetime | None = None
    version: str | None = None
    reported_models: tuple[feed.ReportedModel, ...] = ()

    def is_present(self, *, at: datetime) -> bool:
        """Whether it was heard of in the ten seconds before `at`."""
        return self.last_seen_at is not None and at - self.last_seen_at <= SEEN_WITHIN


def state_of_model(
    gateways: Iterable[Gateway], ref: str, *, at: datetime
) -> feed.ModelState | None:
    """What present gateways say of a model; None when none of them has spoken of it.

    One that reaches it is enough to have an answer.
    """
    states = {
        each.state
        for gateway in gateways
        if gateway.is_present(at=at)
        for each in gateway.reported_models
        if each.ref == ref
    }
    if not states:
        return None
    return "ready" if "ready" in states else "unreachable"


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
class AcceptedAssertion:
    """An assertion that holds, but for having been used before."""

    gateway_id: str
    jti: str
    expires_at: datetime


class _AssertionClaims(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    iat: int
    exp: int
    jti: str


def decode_raw_key(text: str, field: Literal["signing_key", "sealing_key"]) -> bytes:
    """A raw public key from base64url without padding.

    Raises:
        GatewayKeyInvalidError: it is not that.
    """
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as cause:
        raise GatewayKeyInvalidError(field) from cause
    if len(raw) != RAW_KEY_BYTES or encode(raw) != text:
        raise GatewayKeyInvalidError(field)
    return raw


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def gateway_id(signing_key: bytes) -> str:
    """RFC 7638 thumbprint of the Ed25519 key (RFC 8037)."""
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": encode(signing_key)}
    canonical = json.dumps(jwk, separators=(",", ":"), sort_keys=True)
    return encode(hashlib.sha256(canonical.encode()).digest())


def claimed_gateway(authorization: str | None) -> tuple[str, str]:
    """The assertion of a request and the gateway it says it is from, still unverified.

    Raises:
        AssertionRefusedError: there is none that names a gateway.
    """
    scheme, _, text = (authorization or "").partition(" ")
    if scheme.lower() != "bearer" or not 0 < len(text) <= MAX_ASSERTION_CHARS:
        raise AssertionRefusedError(reason="assertion_missing")
    try:
        kid = jwt.get_unverified_header(text).get("kid")
    except jwt.InvalidTokenError as cause:
        raise AssertionRefusedError(reason="assertion_malformed") from cause
    if not isinstance(kid, str) or not THUMBPRINT.fullmatch(kid):
        raise AssertionRefusedError(reason="kid_missing")
    return text, kid


def check_assertion(
    text: str, gateway: Gateway, *, instance_id: str, now: datetime
) -> AcceptedAssertion:
    """Verifies an assertion with the gateway's registered key.

    Raises:
        AssertionRefusedError: it does not hold, or not now.
    """
    try:
        payload: dict[str, Any] = jwt.decode(
            text,
            Ed25519PublicKey.from_public_bytes(gateway.signing_key),
            algorithms=[feed.ASSERTION_ALGORITHM],
            audience=instance_id,
            # Times are checked below, against the clock that we are given.
            options={"verify_exp": False, "verify_iat": False, "verify_nbf": False},
        )
        claims = msgspec.convert(payload, _AssertionClaims)
    except (jwt.InvalidTokenError, msgspec.ValidationError) as cause:
        raise AssertionRefusedError(reason="assertion_invalid") from cause
    if claims.iss != gateway.id or claims.sub != gateway.id:
        raise AssertionRefusedError(reason="assertion_of_another")
    if not _is_plain(claims.jti):
        raise AssertionRefusedError(reason="jti_unusable")
    _check_times(claims, now=now)
    return AcceptedAssertion(
        gateway_id=gateway.id,
        jti=claims.jti,
        expires_at=now + timedelta(seconds=feed.ASSERTION_LIFE_S + 2 * LEEWAY_S),
    )


def _is_plain(text: str) -> bool:
    return 1 <= len(text) <= MAX_TEXT_CHARS and text.isprintable()


def _check_times(claims: _AssertionClaims, *, now: datetime) -> None:
    at = now.timestamp()
    if not 0 < claims.exp - claims.iat <= feed.ASSERTION_LIFE_S:
        raise AssertionRefusedError(reason="assertion_too_long")
    if claims.iat > at + LEEWAY_S:
        raise AssertionRefusedError(reason="assertion_from_the_future")
    if at >= claims.exp + LEEWAY_S:
        raise AssertionRefusedError(reason="assertion_expired")


def seal_api_key(api_key: str, *, ref: str, sealing_key: bytes) -> str:
    """The API key, for the eyes of one gateway and for one model."""
    return encode(
        _suite.encrypt(
            api_key.encode(),
            X25519PublicKey.from_public_bytes(sealing_key),
            info=feed.API_KEY_CONTEXT + ref.encode(),
        )
    )


def build_document(
    models: Sequence[ServedModel], gateway: Gateway, position: Position, *, now: datetime
) -> feed.FeedDocument:
    """Everything that a gateway needs to know."""
    return feed.FeedDocument(
        instance_id=position.instance_id,
        gateway_id=gateway.id,
        epoch=position.epoch,
        sequence=position.sequence,
        issued_at=int(now.timestamp()),
        models=tuple(_feed_model(served, gateway) for served in models),
    )


def _feed_model(served: ServedModel, gateway: Gateway) -> feed.FeedModel:
    model = served.model
    return feed.FeedModel(
        ref=model.ref,
        name=model.name,
        family=model.family,
        provider=model.provider,
        identifier=model.identifier,
        endpoints=(model.endpoint,),
        sealed_api_key=seal_api_key(served.api_key, ref=model.ref, sealing_key=gateway.sealing_key)
        if served.api_key
        else None,
    )


def sign_document(document: feed.FeedDocument, key: Ed25519PrivateKey) -> feed.SignedFeed:
    """The document as it goes over the wire."""
    body = msgspec.json.encode(document)
    signature = key.sign(feed.SIGNATURE_CONTEXT + body)
    return feed.SignedFeed(document=encode(body), signature=encode(signature))


def parse_report(body: bytes) -> feed.Report:
    """A gateway's report.

    Raises:
        ReportRefusedError: not JSON of that form, or with values that no gateway has.
    """
    try:
        report = msgspec.json.decode(body, type=feed.Report)
    except msgspec.DecodeError as cause:
        raise ReportRefusedError from cause
    is_possible = (
        _is_plain(report.version)
        and 0 <= report.epoch <= MAX_EPOCH
        and 0 <= report.sequence <= MAX_SEQUENCE
        and len(report.models) <= MAX_REPORTED_MODELS
        and all(_is_plain(model.ref) for model in report.models)
    )
    if not is_possible:
        raise ReportRefusedError
    return report


def parse_batch(body: bytes) -> events.Batch:
    """What a gateway tells of usage and refusals; each entry is judged where it is counted.

    Raises:
        BatchRefusedError: not JSON of that form, or too much at once.
    """
    try:
        batch = msgspec.json.decode(body, type=events.Batch)
    except msgspec.DecodeError as cause:
        raise BatchRefusedError from cause
    if max(len(batch.events), len(batch.decisions)) > events.MAX_BATCH_EVENTS:
        raise BatchRefusedError
    return batch


def is_usable_key(signing_key: bytes, sealing_key: bytes) -> bool:
    """Whether both can be worked with; a few values of 32 bytes are no X25519 key."""
    try:
        Ed25519PublicKey.from_public_bytes(signing_key)
        seal_api_key("probe", ref="probe", sealing_key=sealing_key)
    except ValueError:
        return False
    return True
