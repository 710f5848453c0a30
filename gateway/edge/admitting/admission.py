"""Who is asking: from the headers of a request to the claims it may rely on."""

from collections.abc import Mapping

from gateway.contract.claims import Claims
from gateway.contract.introspection import PAT_PREFIX
from gateway.errors import ConfigurationUnavailableError, InvalidTokenError
from gateway.issuer.tokens.issuers import Issuers
from gateway.issuer.tokens.profiles import Kind

_PAT_PREFIX = PAT_PREFIX.encode()
# `Bearer ` goes before it.
_PAT_AT = 7


class Admission:
    """Verifies callers; without issuers, before registration, nobody can be checked."""

    def __init__(self, issuers: Issuers | None) -> None:
        self._verifier = issuers.verifier if issuers else None
        self._introspector = issuers.introspector if issuers else None

    def is_of_instance(self, claims: Claims) -> bool:
        """Whether the pinned instance made them, so that what it feeds is for their bearer."""
        return self._verifier is not None and claims.iss in self._verifier.pinned_issuers

    async def admit(self, headers: Mapping[bytes, bytes]) -> tuple[Claims, Kind]:
        """The claims of the caller, and what kind of token they are of.

        Raises:
            InvalidTokenError: no good token, or a header that contradicts it.
            TokenSupersededError: what the token granted was changed or taken back.
            IdentityUnavailableError: it cannot be checked.
            ConfigurationUnavailableError: no instance is pinned yet.
        """
        if self._verifier is None:
            raise ConfigurationUnavailableError(reason="no instance is pinned")
        authorization = headers.get(b"authorization")
        if authorization is None:
            raise InvalidTokenError(reason="no Authorization header")
        verified = self._verifier.recall(authorization)
        if verified is None:
            is_pat = authorization.startswith(_PAT_PREFIX, _PAT_AT)
            if is_pat and self._introspector is not None:
                verified = await self._introspector.look_up(authorization, headers)
            else:
                verified = await self._verifier.verify(authorization)
        return verified.claims_with(headers), verified.profile.kind
