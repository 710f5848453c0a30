"""What an access token says, how a signing key is named, and what is published of it."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_der_private_key,
)

from appliance.feature_flags.rules import GLOBAL_SWITCH, Definition
from appliance.licensing.rules import Grant
from appliance.namespaces.rules import Namespace
from gateway.contract import headers
from gateway.contract.catalog import Catalog
from gateway.contract.claims import ALGORITHM, AUDIENCE, Claims, Realm

KeyState = Literal["next", "current", "retired", "dead"]

DIRECT_LIFETIME = timedelta(minutes=15)
# What the real instance gives; a verifier's clock may be a little behind.
NOT_BEFORE_MARGIN = timedelta(seconds=5)
RSA_BITS = 2048
RSA_EXPONENT = 65537
KEY_SET_MAX_AGE_S = 60
ENABLED_FLAGS = "X-Gitlab-Enabled-Feature-Flags"
# What the gateway asks for on the routes of each.
CHAT = "duo_chat"
CODE_SUGGESTIONS = frozenset({"complete_code", "generate_code"})
CHAT_CONTEXT = re.compile("include_.+_context")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom an access token is about; `credential` names what it was obtained with."""

    global_user_id: str
    credential: str
    generation: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a user has in one group, or outside of any: the grant, and the flags that are on."""

    grant: Grant
    flags: frozenset[str]
    namespace: Namespace | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who mints; `realm` says whether purchases belong to groups."""

    issuer: str
    instance_id: str
    realm: Realm


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A minted token; `headers` are what a client must send with it."""

    text: str
    expires_at: datetime
    headers: dict[str, str]

    def __repr__(self) -> str:
        return f"AccessToken(expires_at={self.expires_at!r})"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """The published half of a signing key."""

    kid: str
    n: str
    e: str

    def jwk(self) -> dict[str, str]:
        """As an entry of a JSON Web Key Set (RFC 7517)."""
        return {
            "kty": "RSA",
            "kid": self.kid,
            "n": self.n,
            "e": self.e,
            "use": "sig",
            "alg": ALGORITHM,
        }


def guards(
    unit_primitive: str, catalog: Catalog, definitions: Mapping[str, Definition]
) -> tuple[str, ...]:
    """The flags that must all be on for a unit primitive, besides the switch for everything."""
    return tuple(
        name
        for name, definition in definitions.items()
        if name != GLOBAL_SWITCH and unit_primitive in _guarded(definition, catalog)
    )


def effective(
    grant: Grant,
    flags: frozenset[str],
    *,
    catalog: Catalog,
    definitions: Mapping[str, Definition],
) -> Grant:
    """What is left of a grant where flags are off; providers are bought, no flag takes them."""
    if GLOBAL_SWITCH not in flags:
        return replace(grant, scopes=frozenset())
    off = [definition for name, definition in definitions.items() if name not in flags]
    return replace(grant, scopes=grant.scopes.difference(*(_guarded(d, catalog) for d in off)))


def _guarded(definition: Definition, catalog: Catalog) -> frozenset[str]:
    features = (catalog.features[name] for name in definition.features)
    return frozenset(each for feature in features for each in feature.unit_primitives)


def is_chat_open(grant: Grant) -> bool:
    """Whether the grant opens chat, and entitles to somebody's models at all."""
    return CHAT in grant.scopes and bool(grant.providers)


def are_suggestions_open(grant: Grant) -> bool:
    """Whether the grant opens code suggestions, and entitles to somebody's models at all."""
    return bool(grant.scopes & CODE_SUGGESTIONS) and bool(grant.providers)


def chat_contexts(grant: Grant) -> list[str]:
    """What may be added to a question in chat, by the unit primitive of each kind; sorted."""
    return sorted(scope for scope in grant.scopes if CHAT_CONTEXT.fullmatch(scope))


def global_user_id(key: bytes, *, instance_id: str, user_id: int) -> str:
    """A stable name for a user that tells nobody without `key` who it is."""
    digest = hmac.digest(key, f"{instance_id}:{user_id}".encode(), "sha256")
    return base64.b64encode(digest).decode()


def direct_claims(
    subject: Subject, standing: Standing, *, origin: Origin, jti: UUID, now: datetime
) -> Claims:
    """The claims of a token with which a user calls the gateway.

    It ends when any part of the grant ends, so that nothing is used after that.
    """
    issued_at = int(now.timestamp())
    expires_at = issued_at + int(DIRECT_LIFETIME.total_seconds())
    grant, group = standing.grant, standing.namespace
    if grant.ends_at is not None:
        # Not before now: a clock that was set back may lie behind what the grant was judged at.
        expires_at = max(issued_at, min(expires_at, int(grant.ends_at.timestamp())))
    return Claims(
        iss=origin.issuer,
        aud=(AUDIENCE,),
        sub=subject.global_user_id,
        iat=issued_at,
        nbf=issued_at - int(NOT_BEFORE_MARGIN.total_seconds()),
        exp=expires_at,
        jti=str(jti),
        gitlab_realm=origin.realm,
        gitlab_instance_id=origin.instance_id,
        scopes=grant.scopes,
        providers=grant.providers,
        use="direct",
        flags=standing.flags,
        ns=None if group is None else group.id,
        root_ns=None if group is None else group.root_id,
        cred=subject.credential,
        gen=subject.generation,
    )


def client_headers(claims: Claims, *, version: str) -> dict[str, str]:
    """What a client must send with a token; each says what a claim says."""
    sent = {
        headers.AUTHENTICATION_TYPE: "oidc",
        headers.INSTANCE_ID: claims.gitlab_instance_id,
        headers.GLOBAL_USER_ID: claims.sub,
        headers.REALM: claims.gitlab_realm,
        "X-Gitlab-Version": version,
        "X-Gitlab-Host-Name": urlsplit(claims.iss).hostname or "",
        ENABLED_FLAGS: ",".join(sorted(claims.flags)),
    }
    if claims.ns is not None:
        sent[headers.NAMESPACE_ID] = str(claims.ns)
        sent[headers.ROOT_NAMESPACE_ID] = str(claims.root_ns)
        # Purchases belong to the root, so it is the group that enables.
        sent[headers.ENABLED_BY_NAMESPACE_IDS] = str(claims.root_ns)
    return sent


def sign(claims: Claims, key: rsa.RSAPrivateKey, *, kid: str) -> str:
    """The token's text; about a millisecond of work."""
    payload: dict[str, Any] = msgspec.to_builtins(claims, order="deterministic")
    return jwt.encode(payload, key, algorithm=ALGORITHM, headers={"kid": kid})


def generate_key() -> rsa.RSAPrivateKey:
    """A fresh signing key; takes up to a second."""
    return rsa.generate_private_key(public_exponent=RSA_EXPONENT, key_size=RSA_BITS)


def public_half(key: rsa.RSAPrivateKey) -> PublicKey:
    """What is published, named by its RFC 7638 thumbprint."""
    numbers = key.public_key().public_numbers()
    n, e = _base64url_number(numbers.n), _base64url_number(numbers.e)
    canonical = json.dumps({"e": e, "kty": "RSA", "n": n}, separators=(",", ":"), sort_keys=True)
    thumbprint = hashlib.sha256(canonical.encode()).digest()
    return PublicKey(kid=_base64url(thumbprint), n=n, e=e)


def private_bytes(key: rsa.RSAPrivateKey) -> bytes:
    """The key as PKCS #8 DER, in clear: to be sealed at once."""
    return key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


def private_key(text: bytes) -> rsa.RSAPrivateKey:
    """What `private_bytes` made."""
    key = load_der_private_key(text, password=None)
    assert isinstance(key, rsa.RSAPrivateKey)  # noqa: S101  # we made it
    return key


def discovery_document(issuer: str) -> dict[str, Any]:
    """OpenID Connect discovery, with what a verifier of our tokens needs of it."""
    return {
        "issuer": issuer,
        "jwks_uri": f"{issuer}/oauth/discovery/keys",
        "response_types_supported": ["none"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": [ALGORITHM],
        "claims_supported": sorted(Claims.__struct_fields__),
    }


def entity_tag(body: bytes) -> str:
    """A strong ETag for a body."""
    return f'"{hashlib.sha256(body).hexdigest()[:32]}"'


def matches_entity_tag(if_none_match: str | None, tag: str) -> bool:
    """Whether a client already has what `tag` names (RFC 9110 section 13.1.2)."""
    if if_none_match is None:
        return False
    held = {each.strip().removeprefix("W/") for each in if_none_match.split(",")}
    return "*" in held or tag in held


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _base64url_number(number: int) -> str:
    return _base64url(number.to_bytes((number.bit_length() + 7) // 8, "big"))
