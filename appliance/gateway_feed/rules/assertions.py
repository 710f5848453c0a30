"""Checks what a gateway shows with a request, and how it answers a challenge."""

import re
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import jwt
import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from appliance.gateway_feed.errors import AssertionRefusedError, ClockRefusedError
from appliance.gateway_feed.rules.gateways import Gateway, decode
from gateway.contract import feed
from gateway.contract.challenge import Challenge, ChallengeAnswer, signed_text
from gateway.contract.claims import LEEWAY_S

MAX_ASSERTION_CHARS = 4096
MAX_TEXT_CHARS = 255
THUMBPRINT = re.compile(r"[A-Za-z0-9_-]{43}")


@dataclass(frozen=True, slots=True, kw_only=True)
class AcceptedAssertion:
    """An assertion that holds, but for having been used before.

    `skew_ms` is how far its maker's clock is ahead of ours, as whole seconds tell it.
    """

    gateway_id: str
    jti: str
    expires_at: datetime
    skew_ms: int = 0


class _AssertionClaims(msgspec.Struct, frozen=True):
    iss: str
    sub: str
    iat: int
    exp: int
    jti: str


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
        AssertionRefusedError: it does not hold.
        ClockRefusedError: it would hold at another time.
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
    if not is_plain(claims.jti):
        raise AssertionRefusedError(reason="jti_unusable")
    skew_ms = _skew_ms(claims.iat, now=now)
    _check_times(claims, skew_ms=skew_ms, now=now)
    return AcceptedAssertion(
        gateway_id=gateway.id,
        jti=claims.jti,
        expires_at=now + timedelta(seconds=feed.ASSERTION_LIFE_S + 2 * LEEWAY_S),
        skew_ms=skew_ms,
    )


def is_plain(text: str) -> bool:
    """Whether a text of a gateway can be kept: printable, not empty, of bounded length."""
    return 1 <= len(text) <= MAX_TEXT_CHARS and text.isprintable()


def _skew_ms(iat: int, *, now: datetime) -> int:
    # On average half a second is cut off from whole seconds.
    return bounded_skew_ms(iat * 1000 + 500, now=now)


def bounded_skew_ms(clock_ms: int, *, now: datetime) -> int:
    """How far a clock that says `clock_ms` is ahead of `now`; at most a year either way."""
    year = int(timedelta(days=366).total_seconds()) * 1000
    return max(-year, min(year, clock_ms - int(now.timestamp() * 1000)))


def _check_times(claims: _AssertionClaims, *, skew_ms: int, now: datetime) -> None:
    at = now.timestamp()
    if not 0 < claims.exp - claims.iat <= feed.ASSERTION_LIFE_S:
        raise AssertionRefusedError(reason="assertion_too_long")
    if claims.iat > at + LEEWAY_S:
        raise ClockRefusedError(
            reason="assertion_from_the_future", gateway_id=claims.iss, skew_ms=skew_ms
        )
    if at >= claims.exp + LEEWAY_S:
        raise ClockRefusedError(reason="assertion_expired", gateway_id=claims.iss, skew_ms=skew_ms)


def is_answered(challenge: Challenge, answer: ChallengeAnswer, gateway: Gateway) -> bool:
    """Whether that gateway, and nobody else, gave the answer to this challenge."""
    signature = decode(answer.signature)
    if answer.gateway_id != gateway.id or signature is None:
        return False
    try:
        key = Ed25519PublicKey.from_public_bytes(gateway.signing_key)
        key.verify(signature, signed_text(challenge))
    except InvalidSignature:
        return False
    return True
