"""Who is asking: from the headers of a request to the claims it may rely on."""

from collections.abc import Mapping

from gateway.contract.claims import Claims
from gateway.errors import ConfigurationUnavailableError, InvalidTokenError
from gateway.issuer.tokens import TokenVerifier, check_headers


class Admission:
    """Verifies callers; without a verifier, before registration, nobody can be checked."""

    def __init__(self, verifier: TokenVerifier | None) -> None:
        self._verifier = verifier

    async def admit(self, headers: Mapping[bytes, bytes]) -> Claims:
        """The claims of the caller.

        Raises:
            InvalidTokenError: no good token, or a header that contradicts it.
            IdentityUnavailableError: it cannot be checked.
            ConfigurationUnavailableError: no instance is pinned yet.
        """
        if self._verifier is None:
            raise ConfigurationUnavailableError(reason="no instance is pinned")
        authorization = headers.get(b"authorization")
        if authorization is None:
            raise InvalidTokenError(reason="no Authorization header")
        claims = self._verifier.recall(authorization)
        if claims is None:
            claims = await self._verifier.verify(authorization)
        check_headers(claims, headers)
        return claims
