"""Valid things of the instance; a test states only what matters to it."""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from appliance.access_tokens.usecases import Minter
from appliance.accounts.rules import Caller, PersonalAccessToken, Scope, User
from appliance.first_contents import Answers
from appliance.gateway_feed.rules import Gateway, encode, gateway_id
from appliance.gateway_feed.usecases import Sources
from appliance.instance_settings.rules import Addresses
from appliance.self_hosted_models.rules import SelfHostedModel
from appliance.storage.identity import Identity
from appliance.storage.sealing import Sealer
from gateway.contract.catalog import load_catalog

NOW = datetime(2026, 11, 21, 12, 0, 0, tzinfo=UTC)
MODEL_API_KEY = "key-of-the-model"


class SetClock:
    """A clock that stands where it is put."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        """Moves on by a timedelta's arguments."""
        self.now += timedelta(**by)


def a_user(**changes: Any) -> User:
    fields = {
        "id": 7,
        "username": "ada",
        "name": "Ada",
        "email": "ada@example.org",
        "state": "active",
        "is_admin": False,
        "grant_generation": 0,
        "created_at": NOW,
    }
    return User(**{**fields, **changes})


def a_pat(*scopes: Scope, **changes: Any) -> PersonalAccessToken:
    fields = {
        "id": 3,
        "user_id": 7,
        "name": "script",
        "scopes": frozenset(scopes or {Scope.API}),
        "created_at": NOW,
        "expires_on": date(2027, 11, 21),
        "last_used_at": None,
        "is_revoked": False,
    }
    return PersonalAccessToken(**{**fields, **changes})


def a_caller(*scopes: Scope, **user: Any) -> Caller:
    return Caller(user=a_user(**user), credential=a_pat(*scopes))


def a_model(**changes: Any) -> SelfHostedModel:
    fields = {
        "id": 1,
        "ref": "tiny",
        "name": "Tiny",
        "family": "general",
        "endpoint": "http://127.0.0.1:8001/v1",
        "identifier": "tiny",
        "provider": "shm",
        "has_api_key": False,
        "is_local": False,
        "created_at": NOW,
        "updated_at": NOW,
    }
    return SelfHostedModel(**{**fields, **changes})


@dataclass
class GatewayKeys:
    """What a gateway has: both key pairs, and how it speaks for itself."""

    signing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    sealing: X25519PrivateKey = field(default_factory=X25519PrivateKey.generate)

    @property
    def signing_public(self) -> bytes:
        return self.signing.public_key().public_bytes_raw()

    @property
    def sealing_public(self) -> bytes:
        return self.sealing.public_key().public_bytes_raw()

    @property
    def id(self) -> str:
        return gateway_id(self.signing_public)

    def gateway(self, **changes: Any) -> Gateway:
        fields = {
            "id": self.id,
            "name": "local",
            "signing_key": self.signing_public,
            "sealing_key": self.sealing_public,
        }
        return Gateway(**{**fields, **changes})

    def assertion(self, instance_id: str, *, now: datetime = NOW, **changes: Any) -> str:
        """A good assertion; a claim changed to None is left out."""
        at = int(now.timestamp())
        claims = {
            "iss": self.id,
            "sub": self.id,
            "aud": instance_id,
            "iat": at,
            "exp": at + 30,
            "jti": uuid4().hex,
        }
        kid = changes.pop("kid", self.id)
        payload = {k: v for k, v in {**claims, **changes}.items() if v is not None}
        return jwt.encode(payload, self.signing, algorithm="EdDSA", headers={"kid": kid})


def some_sources(sealer: Sealer, *, instance_id: str = "i") -> Sources:
    """What feed documents are made with."""
    told = Addresses(
        instance_public_url="http://instance.test",
        gateway_public_url="http://gateway.test",
        ai_gateway_url="http://gateway.test",
    )
    minter = Minter(
        sealer,
        Identity(instance_id=instance_id, feed_epoch=1),
        told=told,
        catalog=load_catalog(),
        version="1.0",
    )
    return Sources(sealer=sealer, minter=minter, catalog=load_catalog(), told=told)


def some_answers(folder: Path, keys: GatewayKeys, **model: Any) -> Answers:
    """What `init` is told; the model's API key lies in `folder`."""
    api_key_file = folder / "api_key"
    if not api_key_file.exists():
        api_key_file.write_text(f"{MODEL_API_KEY}\n")
    return Answers.model_validate(
        {
            "admin": {
                "username": "admin",
                "name": "Administrator",
                "email": "admin@example.org",
                "password_file": folder / "credentials" / "admin_password",
                "token_file": folder / "credentials" / "admin_token",
            },
            "gateway": {
                "name": "local",
                "signing_key": encode(keys.signing_public),
                "sealing_key": encode(keys.sealing_public),
            },
            "model": {
                "ref": "smollm2-135m-instruct",
                "name": "SmolLM2 135M Instruct (demonstration model)",
                "family": "general",
                "identifier": "smollm2-135m-instruct",
                "endpoint": "http://127.0.0.1:8001/v1",
                "api_key_file": api_key_file,
                **model,
            },
        }
    )
