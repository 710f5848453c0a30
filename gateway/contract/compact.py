"""How a signed token is read, before anything in it is believed or looked up (RFC 7515, 7519).

Both sides read alike: a token that one of them refuses must not be good at the other.
"""

import base64
import json
import re
from dataclasses import dataclass
from typing import Any

import msgspec

from gateway.contract.claims import ALGORITHM

MAX_TOKEN_CHARS = 8192
# Every issuer that we know names keys by a thumbprint or a plain word.
_KID = re.compile(r"[A-Za-z0-9._~=-]{1,128}")
_SEGMENTS = 3
_TYPES = frozenset({"JWT", "jwt", "at+jwt"})
# The others would let a token name its own key, or demand what we do not do.
_MEMBERS = frozenset({"alg", "kid", "typ"})


class CompactTokenError(ValueError):
    """A text that is no token of ours; `reason` is for the log and never shows the token."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class CompactToken:
    """A token whose signature nobody has checked yet."""

    text: str
    kid: str
    issuer: str
    payload: dict[str, Any]

    @property
    def signed_bytes(self) -> bytes:
        """What the signature is over."""
        return self.text.rpartition(".")[0].encode()

    @property
    def signature(self) -> bytes:
        """The signature."""
        return _bytes(self.text.rpartition(".")[2])


def bearer(authorization: bytes) -> str:
    """The credential of `Bearer CREDENTIAL`.

    Raises:
        CompactTokenError: another scheme, none, or more than one.
    """
    scheme, _, credential = authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        raise CompactTokenError(reason="no bearer token")
    if not credential or len(credential) > MAX_TOKEN_CHARS:
        raise CompactTokenError(reason="empty or too long")
    try:
        return credential.decode("ascii")
    except UnicodeDecodeError as cause:
        raise CompactTokenError(reason="not ASCII") from cause


def read_token(text: str) -> CompactToken:
    """Takes a token apart: three canonical segments, no member twice, nothing unknown in its head.

    Raises:
        CompactTokenError: it is anything else.
    """
    segments = text.split(".", _SEGMENTS)
    if len(segments) != _SEGMENTS:
        raise CompactTokenError(reason="not three segments")
    header, payload, _ = (_bytes(segment) for segment in segments)
    kid = _check_header(_object(header, "header"))
    claims = _object(payload, "payload")
    issuer = claims.get("iss")
    if not isinstance(issuer, str):
        raise CompactTokenError(reason="no issuer")
    return CompactToken(text=text, kid=kid, issuer=issuer, payload=claims)


def _bytes(segment: str) -> bytes:
    try:
        raw = base64.b64decode(segment + "=" * (-len(segment) % 4), altchars=b"-_", validate=True)
    except ValueError as cause:
        raise CompactTokenError(reason="a segment is not base64url") from cause
    # One text for one content: spare bits, padding or the other alphabet would make many.
    if not raw or base64.urlsafe_b64encode(raw).rstrip(b"=") != segment.encode():
        raise CompactTokenError(reason="a segment is empty or not canonical")
    return raw


def _object(raw: bytes, what: str) -> dict[str, Any]:
    try:
        members = msgspec.json.decode(raw, type=dict[str, Any])
        json.loads(raw.decode(), object_pairs_hook=_without_repeats)
    except (ValueError, RecursionError) as cause:
        raise CompactTokenError(reason=f"the {what} is not a plain JSON object") from cause
    return members


def _without_repeats(pairs: list[tuple[str, Any]]) -> None:
    if len({name for name, _ in pairs}) != len(pairs):
        message = "a member is there twice"
        raise ValueError(message)


def _check_header(header: dict[str, Any]) -> str:
    if header.get("alg") != ALGORITHM:
        raise CompactTokenError(reason="algorithm is not RS256")
    if not header.keys() <= _MEMBERS:
        raise CompactTokenError(reason="the header has members that it should not have")
    if str(header.get("typ", "JWT")) not in _TYPES:
        raise CompactTokenError(reason="not a JWT by its type")
    kid = header.get("kid")
    if not isinstance(kid, str) or _KID.fullmatch(kid) is None:
        raise CompactTokenError(reason="no kid, or not one that a key may have")
    return kid
