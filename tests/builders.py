"""Makes valid objects; a test says only what matters to it."""

import base64
import time
import uuid
from functools import cache
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey
from cryptography.hazmat.primitives.hpke import AEAD, KDF, KEM, Suite

from gateway.contract.claims import AUDIENCE
from gateway.contract.events import Decision, UsageEvent
from gateway.contract.feed import (
    API_KEY_CONTEXT,
    SIGNATURE_CONTEXT,
    FeedDocument,
    FeedModel,
    SignedFeed,
)
from gateway.contract.ulids import make_ulid
from gateway.issuer.feed.known_models import KnownModel

INSTANCE_ID = "11111111-2222-4333-8444-555555555555"
ISSUER = "http://instance.test"
KID = "signing-key-1"
MODEL_API_KEY = "model-api-key-canary"


@cache
def a_signing_key(name: str = KID) -> RSAPrivateKey:
    """One RSA key per name, made once: making them is slow."""
    del name
    return generate_private_key(public_exponent=65537, key_size=2048)


@cache
def a_feed_key() -> Ed25519PrivateKey:
    return Ed25519PrivateKey.generate()


def base64url(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def a_jwk(kid: str = KID, **members: Any) -> dict[str, Any]:
    public = a_signing_key(kid).public_key()
    jwk = jwt.algorithms.RSAAlgorithm.to_jwk(public, as_dict=True)
    return {**jwk, "kid": kid, "use": "sig", "alg": "RS256", **members}


def some_claims(**changes: Any) -> dict[str, Any]:
    """The claims of a good token; a change of None takes the claim out."""
    now = int(time.time())
    claims = {
        "iss": ISSUER,
        "aud": [AUDIENCE],
        "sub": "user-1",
        "iat": now,
        "nbf": now - 5,
        "exp": now + 900,
        "jti": str(uuid.uuid4()),
        "gitlab_realm": "self-managed",
        "gitlab_instance_id": INSTANCE_ID,
        "scopes": ["duo_chat", "complete_code"],
        "providers": ["shm"],
        "use": "direct",
        **changes,
    }
    return {name: value for name, value in claims.items() if value is not None}


def a_token(
    *, kid: str | None = KID, key: Any = None, algorithm: str = "RS256", **claims: Any
) -> str:
    headers = {} if kid is None else {"kid": kid}
    signing = a_signing_key(kid or KID) if key is None else key
    return jwt.encode(some_claims(**claims), signing, algorithm=algorithm, headers=headers)


def a_feed_model(*, endpoint: str = "http://127.0.0.1:1/v1", **changes: Any) -> FeedModel:
    fields = {
        "ref": "demo",
        "name": "Demo",
        "family": "general",
        "provider": "shm",
        "identifier": "demo",
        "endpoints": (endpoint,),
        **changes,
    }
    return FeedModel(**fields)


def a_known_model(*endpoints: str, **changes: Any) -> KnownModel:
    fields = {
        "ref": "demo",
        "provider": "shm",
        "identifier": "demo",
        "endpoints": endpoints,
        "api_key": None,
        "is_understood": True,
        **changes,
    }
    return KnownModel(**fields)


def a_feed_document(gateway_id: str, *models: FeedModel, **changes: Any) -> FeedDocument:
    fields = {
        "instance_id": INSTANCE_ID,
        "gateway_id": gateway_id,
        "epoch": 1,
        "sequence": 1,
        "issued_at": int(time.time()),
        "models": models,
        **changes,
    }
    return FeedDocument(**fields)


def a_signed_feed(
    document: FeedDocument | dict[str, object], *, key: Ed25519PrivateKey | None = None
) -> SignedFeed:
    """Members in place of a document may be some that this release does not know."""
    content = msgspec.json.encode(document)
    signature = (key or a_feed_key()).sign(SIGNATURE_CONTEXT + content)
    return SignedFeed(document=base64url(content), signature=base64url(signature))


def a_sealed_api_key(
    sealing_key: X25519PublicKey, *, ref: str, api_key: str = MODEL_API_KEY
) -> str:
    suite = Suite(KEM.X25519, KDF.HKDF_SHA256, AEAD.AES_256_GCM)
    info = API_KEY_CONTEXT + ref.encode()
    return base64url(suite.encrypt(api_key.encode(), sealing_key, info=info))


def a_usage_event(number: int = 0, **changes: Any) -> UsageEvent:
    fields = {
        "event_id": make_ulid(1_800_000_000, lambda size: number.to_bytes(size, "big")),
        "happened_at": 1_800_000_000.0,
        "request_id": f"request-{number}",
        "issuer": ISSUER,
        "subject": "user-1",
        "feature": "duo_chat",
        "unit_primitive": "duo_chat",
        "provider": "shm",
        "model": "demo",
        "outcome": "answered",
        "status": 200,
        **changes,
    }
    return UsageEvent(**fields)


def a_decision(number: int = 0, **changes: Any) -> Decision:
    fields = {
        "decision_id": make_ulid(1_800_000_000, lambda size: number.to_bytes(size, "big")),
        "happened_at": 1_800_000_000.0,
        "issuer": ISSUER,
        "subject": "user-1",
        "code": "feature_not_granted",
        "unit_primitive": "duo_chat",
        **changes,
    }
    return Decision(**fields)
