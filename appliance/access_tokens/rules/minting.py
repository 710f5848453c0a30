"""What an access token says, and what a client must send with it."""

import base64
import hmac
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from uuid import UUID

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa

from appliance.access_tokens.rules.grants import Standing
from gateway.contract import headers
from gateway.contract.claims import ALGORITHM, AUDIENCE, Claims, Realm, Use

DIRECT_LIFETIME = timedelta(minutes=15)
# Editors and agents ask once an hour, as at the real instance.
EDITOR_LIFETIME = timedelta(hours=1)
FORWARDED_LIFETIME = timedelta(minutes=2)
INSTANCE_LIFETIME = timedelta(minutes=5)
# The last part of its life is for whom it is with already.
INSTANCE_KEPT = timedelta(minutes=4)
# What the real instance gives; a verifier's clock may be a little behind.
NOT_BEFORE_MARGIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """Whom an access token is about; `credential` names what it was obtained with.

    `ends_at` is when that credential ends.
    """

    global_user_id: str
    credential: str
    generation: int
    ends_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Who mints; `realm` says whether purchases belong to groups, `era` is of all grants."""

    issuer: str
    instance_id: str
    realm: Realm
    era: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Purpose:
    """What a token is minted for, and how narrow it is.

    Of what is granted it opens `scopes` only (None: all), and nothing beyond the token `within`,
    which it does not outlive either. `client_ip` is whom a `forwarded` token is passed on for.
    """

    jti: UUID
    use: Use = "direct"
    lifetime: timedelta = DIRECT_LIFETIME
    scopes: frozenset[str] | None = None
    within: Claims | None = None
    client_ip: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessToken:
    """A minted token; `headers` are what a client must send with it to the gateway `base_url`."""

    text: str
    claims: Claims
    base_url: str
    headers: dict[str, str]

    @property
    def expires_at(self) -> datetime:
        """When it ends."""
        return datetime.fromtimestamp(self.claims.exp, UTC)

    def __repr__(self) -> str:
        return f"AccessToken(expires_at={self.expires_at!r})"


def global_user_id(key: bytes, *, instance_id: str, user_id: int) -> str:
    """A stable name for a user that tells nobody without `key` who it is."""
    digest = hmac.digest(key, f"{instance_id}:{user_id}".encode(), "sha256")
    return base64.b64encode(digest).decode()


def token_claims(
    subject: Subject, standing: Standing, purpose: Purpose, *, origin: Origin, now: datetime
) -> Claims:
    """The claims of a token with which the gateway is called for a user.

    It ends when any part of the grant ends, or the credential, so that nothing is used after that.
    """
    issued_at = int(now.timestamp())
    grant, group, within = standing.grant, standing.namespace, purpose.within
    ends = [issued_at + int(purpose.lifetime.total_seconds())]
    ends += [int(end.timestamp()) for end in (grant.ends_at, subject.ends_at) if end is not None]
    if within is not None:
        ends.append(within.exp)
    return Claims(
        iss=origin.issuer,
        aud=(AUDIENCE,),
        sub=subject.global_user_id,
        iat=issued_at,
        nbf=issued_at - int(NOT_BEFORE_MARGIN.total_seconds()),
        # Not before now: a clock that was set back may lie behind what the grant was judged at.
        exp=max(issued_at, min(ends)),
        jti=str(purpose.jti),
        gitlab_realm=origin.realm,
        gitlab_instance_id=origin.instance_id,
        scopes=_scopes(standing, purpose),
        providers=grant.providers if within is None else grant.providers & within.providers,
        use=purpose.use,
        flags=standing.flags if within is None else standing.flags & within.flags,
        ns=None if group is None else group.id,
        root_ns=None if group is None else group.root_id,
        cred=subject.credential,
        gen=subject.generation,
        era=origin.era,
        client_ip=msgspec.UNSET if purpose.client_ip is None else purpose.client_ip,
    )


def instance_claims(origin: Origin, *, jti: UUID, now: datetime) -> Claims:
    """The claims of a token with which the instance calls a gateway for itself: it opens no model.

    Nobody's credential and nobody's grant is behind it, so only the era takes it back.
    """
    issued_at = int(now.timestamp())
    return Claims(
        iss=origin.issuer,
        aud=(AUDIENCE,),
        sub=origin.instance_id,
        iat=issued_at,
        nbf=issued_at - int(NOT_BEFORE_MARGIN.total_seconds()),
        exp=issued_at + int(INSTANCE_LIFETIME.total_seconds()),
        jti=str(jti),
        gitlab_realm=origin.realm,
        gitlab_instance_id=origin.instance_id,
        scopes=frozenset(),
        providers=frozenset(),
        use="instance",
        era=origin.era,
    )


def _scopes(standing: Standing, purpose: Purpose) -> frozenset[str]:
    scopes = standing.grant.scopes
    if purpose.scopes is not None:
        scopes &= purpose.scopes
    return scopes if purpose.within is None else scopes & purpose.within.scopes


def client_headers(claims: Claims, *, version: str) -> dict[str, str]:
    """What a client must send with a token; each says what a claim says."""
    sent = {
        headers.AUTHENTICATION_TYPE: "oidc",
        headers.INSTANCE_ID: claims.gitlab_instance_id,
        headers.GLOBAL_USER_ID: claims.sub,
        headers.REALM: claims.gitlab_realm,
        "X-Gitlab-Version": version,
        "X-Gitlab-Host-Name": urlsplit(claims.iss).hostname or "",
        headers.ENABLED_FEATURE_FLAGS: ",".join(sorted(claims.flags)),
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
