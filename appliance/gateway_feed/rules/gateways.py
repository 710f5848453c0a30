"""What is known of a registered gateway, and what its keys look like."""

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.errors import InvalidFieldsError
from appliance.gateway_feed.errors import GatewayKeyInvalidError
from appliance.gateway_feed.rules.sealing import seal_api_key
from gateway.contract import feed
from gateway.contract.claims import LEEWAY_S

RAW_KEY_BYTES = 32
SEEN_WITHIN = timedelta(seconds=10)
# Who was heard of lately will come back: a key signs only once it has it.
HOLDS_KEYS_WITHIN = timedelta(minutes=5)
NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?")

Connection = Literal["connected", "polling", "away"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gateway:
    """A registered gateway and what is known of it; keys are raw, its id is the thumbprint.

    `streamed_at` is when it last had a stream open, `epoch` and `sequence` where it says that it
    is, `clock_skew_ms` how far its clock was ahead of ours when `skew_measured_at`.
    """

    id: str
    name: str
    signing_key: bytes
    sealing_key: bytes
    registered_at: datetime | None = None
    last_seen_at: datetime | None = None
    streamed_at: datetime | None = None
    version: str | None = None
    epoch: int | None = None
    sequence: int | None = None
    reported_models: tuple[feed.ReportedModel, ...] = ()
    kids: frozenset[str] = frozenset()
    clock_skew_ms: int | None = None
    skew_measured_at: datetime | None = None

    def is_present(self, *, at: datetime) -> bool:
        """Whether it was heard of in the ten seconds before `at`."""
        return _is_within(SEEN_WITHIN, self.last_seen_at, at=at)

    def connection(self, *, at: datetime) -> Connection:
        """Whether it has a stream open, or at least asks now and then."""
        if _is_within(SEEN_WITHIN, self.streamed_at, at=at):
            return "connected"
        return "polling" if self.is_present(at=at) else "away"

    def counts_for_keys(self, *, at: datetime) -> bool:
        """Whether a signing key waits for it before it signs."""
        return _is_within(HOLDS_KEYS_WITHIN, self.last_seen_at, at=at)

    @property
    def clock_is_off(self) -> bool:
        """Whether its clock was too far from ours for its assertions, or our tokens, to be good."""
        return self.clock_skew_ms is not None and abs(self.clock_skew_ms) > LEEWAY_S * 1000

    @property
    def clock_note(self) -> str | None:
        """What to do about its clock; None when it is well."""
        if self.clock_skew_ms is None or not self.clock_is_off:
            return None
        way = "ahead of" if self.clock_skew_ms > 0 else "behind"
        return (
            f"Its clock is {abs(self.clock_skew_ms) / 1000:.1f} s {way} this instance's, and at "
            f"most {LEEWAY_S} s are tolerated: set both machines by the same time source."
        )


def _is_within(span: timedelta, moment: datetime | None, *, at: datetime) -> bool:
    return moment is not None and at - moment <= span


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


def check_name(name: str) -> None:
    """Passes when a gateway can be called that.

    Raises:
        InvalidFieldsError: it cannot.
    """
    if not NAME.fullmatch(name):
        sentence = (
            "must be 1 to 64 letters, digits, '.', '_' or '-', "
            "and begin and end with a letter or digit"
        )
        raise InvalidFieldsError({"name": sentence})


def decode_raw_key(text: str, field: Literal["signing_key", "sealing_key"]) -> bytes:
    """A raw public key from base64url without padding.

    Raises:
        GatewayKeyInvalidError: it is not that.
    """
    raw = decode(text)
    if raw is None or len(raw) != RAW_KEY_BYTES:
        raise GatewayKeyInvalidError(field)
    return raw


def encode(data: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text: str) -> bytes | None:
    """What `encode` made that text of; None when it made nothing so."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if encode(raw) == text else None


def gateway_id(signing_key: bytes) -> str:
    """RFC 7638 thumbprint of the Ed25519 key (RFC 8037)."""
    jwk = {"crv": "Ed25519", "kty": "OKP", "x": encode(signing_key)}
    canonical = json.dumps(jwk, separators=(",", ":"), sort_keys=True)
    return encode(hashlib.sha256(canonical.encode()).digest())


def is_usable_key(signing_key: bytes, sealing_key: bytes) -> bool:
    """Whether both can be worked with; a few values of 32 bytes are no X25519 key."""
    try:
        Ed25519PublicKey.from_public_bytes(signing_key)
        seal_api_key("probe", ref="probe", sealing_key=sealing_key)
    except ValueError:
        return False
    return True
