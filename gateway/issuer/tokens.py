"""Verifies access tokens: once by signature, then from a cache until they expire."""

from collections.abc import Callable, Mapping
from typing import Any

import jwt
import msgspec
from jwt.exceptions import PyJWTError
from jwt.types import Options

from gateway.contract import headers
from gateway.contract.claims import ALGORITHM, AUDIENCE, LEEWAY_S, Claims
from gateway.errors import InvalidTokenError
from gateway.issuer.key_sets import KeySet

MAX_TOKEN_CHARS = 8192
CACHE_ENTRIES = 4096

# Header members that would let a token name its own key, or demand what we do not know.
_REFUSED_MEMBERS = frozenset({"jku", "jwk", "x5u", "x5c", "crit"})

# Times are compared with our clock, the same way for a fresh token and a remembered one.
_OPTIONS: Options = {
    "require": ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}

_EQUAL_HEADERS: tuple[tuple[bytes, Callable[[Claims], str]], ...] = (
    (headers.INSTANCE_ID.lower().encode(), lambda claims: claims.gitlab_instance_id),
    (headers.GLOBAL_USER_ID.lower().encode(), lambda claims: claims.sub),
    (headers.REALM.lower().encode(), lambda claims: claims.gitlab_realm),
    (headers.AUTHENTICATION_TYPE.lower().encode(), lambda _: "oidc"),
)


class TokenVerifier:
    """Turns an Authorization header into claims of the one pinned instance."""

    def __init__(
        self, key_set: KeySet, *, issuer: str, instance_id: str, clock: Callable[[], float]
    ) -> None:
        self._key_set = key_set
        self._issuer = issuer
        self._instance_id = instance_id
        self._clock = clock
        self._cache: dict[bytes, Claims] = {}
        self._cache_generation = -1

    def recall(self, authorization: bytes) -> Claims | None:
        """The claims of a header that was verified before and still holds; never waits."""
        if self._cache_generation != self._key_set.generation or not self._key_set.is_usable:
            return None
        claims = self._cache.get(authorization)
        return claims if claims is not None and self._holds_now(claims) else None

    def _holds_now(self, claims: Claims) -> bool:
        now = self._clock()
        return claims.nbf - LEEWAY_S <= now < claims.exp + LEEWAY_S

    async def verify(self, authorization: bytes) -> Claims:
        """The claims of `Bearer TOKEN`.

        Raises:
            InvalidTokenError: not a token that this instance minted for us and that holds now.
            IdentityUnavailableError: it cannot be checked.
        """
        token = _bearer(authorization)
        kid = _kid(token)
        key = await self._key_set.find(kid)
        if key is None:
            raise InvalidTokenError(reason="unknown kid")
        try:
            payload = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                options=_OPTIONS,
            )
            claims = msgspec.convert(payload, Claims)
        except (PyJWTError, msgspec.ValidationError, ValueError, TypeError) as cause:
            raise InvalidTokenError(reason=f"{type(cause).__name__}: {cause}") from cause
        if claims.gitlab_instance_id != self._instance_id:
            raise InvalidTokenError(reason="another instance's id")
        if not self._holds_now(claims):
            raise InvalidTokenError(reason="expired or not yet valid")
        self._remember(authorization, claims)
        return claims

    def _remember(self, authorization: bytes, claims: Claims) -> None:
        if self._cache_generation != self._key_set.generation:
            self._cache.clear()
            self._cache_generation = self._key_set.generation
        if len(self._cache) >= CACHE_ENTRIES:
            # The oldest entry: dictionaries keep their order.
            del self._cache[next(iter(self._cache))]
        self._cache[authorization] = claims


def check_headers(claims: Claims, request_headers: Mapping[bytes, bytes]) -> None:
    """Passes when every GitLab header that is present equals its claim.

    Raises:
        InvalidTokenError: one differs.
    """
    for name, expected in _EQUAL_HEADERS:
        value = request_headers.get(name)
        if value is not None and value != expected(claims).encode():
            raise InvalidTokenError(reason=f"header {name.decode()} differs from its claim")


def _bearer(authorization: bytes) -> str:
    scheme, _, credential = authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        raise InvalidTokenError(reason="no bearer token")
    try:
        token = credential.strip().decode("ascii")
    except UnicodeDecodeError as cause:
        raise InvalidTokenError(reason="not ASCII") from cause
    if not token or len(token) > MAX_TOKEN_CHARS:
        raise InvalidTokenError(reason="empty or too long")
    return token


def _kid(token: str) -> str:
    try:
        header: dict[str, Any] = jwt.get_unverified_header(token)
    except (PyJWTError, ValueError) as cause:
        raise InvalidTokenError(reason=f"unreadable header: {cause}") from cause
    if header.get("alg") != ALGORITHM:
        raise InvalidTokenError(reason="algorithm is not RS256")
    if not _REFUSED_MEMBERS.isdisjoint(header):
        raise InvalidTokenError(reason="header names its own key or demands an extension")
    kid = header.get("kid")
    if not isinstance(kid, str):
        raise InvalidTokenError(reason="no kid")
    return kid
