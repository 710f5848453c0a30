"""Verifies access tokens: once by signature, then from a cache until they expire."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jwt
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt.exceptions import PyJWTError
from jwt.types import Options

from gateway.contract.claims import ALGORITHM, AUDIENCE
from gateway.contract.compact import CompactToken, CompactTokenError, bearer, read_token
from gateway.errors import InvalidTokenError, TokenSupersededError
from gateway.issuer.feed.revocations import Revocations
from gateway.issuer.tokens.profiles import Profile, Verified, holds, read_claims

CACHE_ENTRIES = 4096

# Times are compared with our clock, the same way for a fresh token and a remembered one.
_OPTIONS: Options = {
    "require": ["iss", "aud", "sub", "iat", "nbf", "exp", "jti"],
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
}

log = structlog.get_logger()


class _Remembered(NamedTuple):
    verified: Verified
    generation: int


class TokenVerifier:
    """Turns an Authorization header into what one of the configured issuers says.

    `issuer` is the `iss` of the pinned instance until it says another; `others` are the further
    profiles by their exact `iss`. `revocations` are the pinned instance's and concern no other.
    """

    def __init__(
        self,
        pinned: Profile,
        *,
        issuer: str,
        others: Mapping[str, Profile],
        revocations: Revocations,
        clock: Callable[[], float],
    ) -> None:
        self._pinned = pinned
        self._others = dict(others)
        self._revocations = revocations
        self._clock = clock
        self._cache: dict[bytes, _Remembered] = {}
        self.pinned_issuers = frozenset({issuer})
        """Every `iss` that the pinned instance goes by."""
        self._by_issuer = {**self._others, issuer: pinned}

    def accept_issuers(self, issuers: tuple[str, ...]) -> None:
        """Sets every `iss` that the pinned instance goes by; none changes nothing."""
        taken = frozenset(issuers) & self._others.keys()
        if taken:
            log.error("issuer_belongs_to_another", issuers=sorted(taken))
        accepted = frozenset(issuers) - taken
        if accepted and accepted != self.pinned_issuers:
            self.pinned_issuers = accepted
            self._by_issuer = {**self._others, **dict.fromkeys(accepted, self._pinned)}
            self._cache.clear()

    def recall(self, authorization: bytes) -> Verified | None:
        """What a header that was verified before says, if it still holds; never waits.

        Raises:
            TokenSupersededError: what it granted was changed or taken back.
        """
        known = self._cache.get(authorization)
        if known is None:
            return None
        verified, generation = known
        keys = verified.profile.keys
        if generation != keys.generation or not keys.is_usable:
            return None
        if not holds(verified.claims, self._clock()):
            return None
        self._check_revocation(verified)
        return verified

    def _check_revocation(self, verified: Verified) -> None:
        if verified.profile.is_pinned and self._revocations.is_superseded(verified.claims):
            raise TokenSupersededError

    async def verify(self, authorization: bytes) -> Verified:
        """What `Bearer TOKEN` says.

        Raises:
            InvalidTokenError: not a token that a configured issuer made for us and that holds now.
            TokenSupersededError: what it granted was changed or taken back.
            IdentityUnavailableError: it cannot be checked.
        """
        try:
            token = read_token(bearer(authorization))
        except CompactTokenError as cause:
            raise InvalidTokenError(reason=cause.reason) from cause
        profile = self._by_issuer.get(token.issuer)
        if profile is None:
            raise InvalidTokenError(reason="unknown issuer")
        # Before any key is looked for: what cannot be good must not cost a fetch.
        verified = read_claims(token.payload, profile, sources=self._by_issuer, now=self._clock())
        key = await profile.keys.find(token.kid)
        if key is None:
            raise InvalidTokenError(reason="unknown kid")
        generation = profile.keys.generation
        _check_signature(token, key)
        self._check_revocation(verified)
        if self._by_issuer.get(token.issuer) is not profile:
            raise InvalidTokenError(reason="the issuer is no longer accepted")
        self._remember(authorization, _Remembered(verified, generation))
        return verified

    def _remember(self, authorization: bytes, remembered: _Remembered) -> None:
        self._cache.pop(authorization, None)
        if len(self._cache) >= CACHE_ENTRIES:
            # The oldest entry: dictionaries keep their order.
            del self._cache[next(iter(self._cache))]
        self._cache[authorization] = remembered


def _check_signature(token: CompactToken, key: RSAPublicKey) -> None:
    """Passes when the key signed the token; the library looks at the claims once more."""
    try:
        payload: dict[str, Any] = jwt.decode(
            token.text,
            key,
            algorithms=[ALGORITHM],
            audience=AUDIENCE,
            issuer=token.issuer,
            options=_OPTIONS,
        )
    except (PyJWTError, ValueError, TypeError, RecursionError) as cause:
        raise InvalidTokenError(reason=f"{type(cause).__name__}: {cause}") from cause
    if payload != token.payload:
        raise InvalidTokenError(reason="read differently by the library")
