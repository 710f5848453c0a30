"""Tokens that gateways make themselves: a GitLab's user, who then calls any of them directly."""

import json
import uuid
from hashlib import sha256
from pathlib import Path

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from jwt.algorithms import RSAAlgorithm

from gateway.contract.claims import ALGORITHM, AUDIENCE, LONGEST_LIFE_S, Claims
from gateway.errors import FeatureNotGrantedError, StateError
from gateway.issuer.identity import encode
from gateway.issuer.private_files import NotPrivateError, read_private
from gateway.issuer.tokens.key_sets import MIN_RSA_BITS
from gateway.issuer.tokens.profiles import USER_TOKEN_ISSUER

# What a GitLab's own gateway hands on, of what the caller holds.
SCOPES = frozenset({"complete_code", "ai_gateway_model_provider_proxy"})
LIFE_S = LONGEST_LIFE_S
LEAD_S = 5


class UserTokenKey:
    """The key that all gateways behind one GitLab share; it verifies what any of them made."""

    def __init__(self, signing: RSAPrivateKey) -> None:
        self._signing = signing
        self._public = signing.public_key()
        self._kid = _thumbprint(self._public)

    @property
    def generation(self) -> int:
        """Never grows: another key is another start."""
        return 0

    @property
    def is_usable(self) -> bool:
        """Always: nobody needs to be asked."""
        return True

    async def find(self, kid: str) -> RSAPublicKey | None:
        """The one key, by its id."""
        return self._public if kid == self._kid else None

    def mint(self, claims: Claims, *, now: float) -> tuple[str, int]:
        """A token for the user of `claims`, and when it ends (seconds since the epoch).

        It opens at most what `claims` do, and names their issuer.

        Raises:
            FeatureNotGrantedError: they hold nothing that such a token may open.
        """
        scopes = sorted(claims.scopes & SCOPES)
        if not scopes:
            raise FeatureNotGrantedError(
                message="Your access token grants neither complete_code nor "
                "ai_gateway_model_provider_proxy, so there is nothing to make a token for.",
                reason="no scope for a user's token",
            )
        ends = int(now) + LIFE_S
        payload = {
            "iss": USER_TOKEN_ISSUER,
            "aud": AUDIENCE,
            "sub": claims.sub,
            "iat": int(now),
            "nbf": int(now) - LEAD_S,
            "exp": ends,
            "jti": str(uuid.uuid4()),
            "gitlab_realm": claims.gitlab_realm,
            "gitlab_instance_id": claims.gitlab_instance_id,
            "scopes": scopes,
            "providers": sorted(claims.providers),
            "source_iss": claims.iss,
        }
        headers = {"kid": self._kid}
        return jwt.encode(payload, self._signing, algorithm=ALGORITHM, headers=headers), ends


def load_user_token_key(path: Path, *, is_mounted: bool) -> UserTokenKey:
    """Reads the PEM file; one that a container engine mounted may have any mode.

    Raises:
        StateError: it cannot be used, or others may read it.
    """
    setting = "CASEMATE_USER_TOKEN_KEY_FILE"
    try:
        pem = read_private(path, is_mounted=is_mounted)
        key = load_pem_private_key(pem, password=None)
    except NotPrivateError as cause:
        raise StateError(reason=f"{setting}: {cause}") from cause
    except (OSError, ValueError, TypeError) as cause:
        raise StateError(reason=f"{setting}: {path}: {cause}") from cause
    if not isinstance(key, RSAPrivateKey) or key.key_size < MIN_RSA_BITS:
        raise StateError(reason=f"{setting}: {path} is not RSA of at least {MIN_RSA_BITS} bits")
    return UserTokenKey(key)


def _thumbprint(public: RSAPublicKey) -> str:
    jwk = RSAAlgorithm.to_jwk(public, as_dict=True)
    members = {name: jwk[name] for name in ("e", "kty", "n")}
    canonical = json.dumps(members, sort_keys=True, separators=(",", ":"))
    return encode(sha256(canonical.encode()).digest())
