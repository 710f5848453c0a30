import base64
import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gateway.contract.claims import LEEWAY_S
from gateway.errors import InvalidTokenError
from gateway.settings import Settings
from tests.builders import KID, a_signing_key, a_token, base64url, some_claims
from tests.gateway.conftest import RunningGateway, a_gateway


def now_s() -> int:
    """Read when it is needed: before this test others may have run for many minutes."""
    return int(time.time())


def an_unsigned_token() -> str:
    header = base64url(json.dumps({"alg": "none", "kid": KID}).encode())
    return f"{header}.{base64url(json.dumps(some_claims()).encode())}."


def signed_with_the_public_key() -> str:
    """HS256 with the published key as its secret: the classic confusion of algorithms."""
    public = a_signing_key().public_key()
    pem = public.public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    header = base64url(json.dumps({"alg": "HS256", "kid": KID}).encode())
    signing_input = f"{header}.{base64url(json.dumps(some_claims()).encode())}"
    signature = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256).sign(
        signing_input.encode(), pem
    )
    return f"{signing_input}.{base64url(signature)}"


def with_header(**members: Any) -> str:
    headers = {"kid": KID, **members}
    return jwt.encode(some_claims(), a_signing_key(), algorithm="RS256", headers=headers)


def with_changed_payload() -> str:
    header, _, signature = a_token().split(".")
    return f"{header}.{base64url(json.dumps(some_claims(sub='admin')).encode())}.{signature}"


BAD_TOKENS: dict[str, Callable[[], str]] = {
    "not a token": lambda: "glpat-something",
    "broken base64": lambda: "a.b!.c",
    "two parts": lambda: a_token().rpartition(".")[0],
    "cut signature": lambda: a_token()[:-20],
    "changed payload": with_changed_payload,
    "expired": lambda: a_token(iat=now_s() - 2000, nbf=now_s() - 2000, exp=now_s() - 1000),
    "not yet valid": lambda: a_token(nbf=now_s() + 600),
    "wrong audience": lambda: a_token(aud=["gitlab-duo-workflow-service"]),
    "audience as a number": lambda: a_token(aud=5),
    "wrong issuer": lambda: a_token(iss="http://other.test"),
    "another instance": lambda: a_token(gitlab_instance_id="other"),
    "no algorithm": an_unsigned_token,
    "HS256 with the public key": signed_with_the_public_key,
    "RS512": lambda: a_token(algorithm="RS512"),
    "ES256": lambda: a_token(algorithm="ES256", key=ec.generate_private_key(ec.SECP256R1())),
    "unknown kid": lambda: a_token(kid="another"),
    "no kid": lambda: a_token(kid=None),
    "kid is a path": lambda: a_token(kid="../../etc/passwd", key=a_signing_key()),
    "another key under our kid": lambda: a_token(key=a_signing_key("stolen")),
    "names a key address": lambda: with_header(jku="http://127.0.0.1/keys"),
    "brings its key": lambda: with_header(jwk={"kty": "RSA"}),
    "demands an extension": lambda: with_header(crit=["exp"]),
    "no expiry": lambda: a_token(exp=None),
    "no subject": lambda: a_token(sub=None),
    "expiry as text": lambda: a_token(exp="soon"),
    "scopes as text": lambda: a_token(scopes="duo_chat"),
    "providers missing": lambda: a_token(providers=None),
    "unknown use": lambda: a_token(use="admin"),
    "too long": lambda: a_token(jti="x" * 9000),
}


@pytest.mark.parametrize("name", BAD_TOKENS)
async def test_a_token_that_cannot_be_trusted_is_401_without_the_reason(
    gateway: RunningGateway, name: str
) -> None:
    answer = await gateway.chat(BAD_TOKENS[name]())
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["error"] == {
        "message": InvalidTokenError.message,
        "type": "authentication_error",
        "param": None,
        "code": "invalid_token",
    }


@pytest.mark.parametrize("header", [None, "Basic abc", "Bearer"])
async def test_no_bearer_token_is_401(gateway: RunningGateway, header: str | None) -> None:
    headers = {} if header is None else {"Authorization": header}
    answer = await gateway.http.get("/v1/models", headers=headers)
    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Gitlab-Instance-Id", "other"),
        ("X-Gitlab-Global-User-Id", "user-2"),
        ("X-Gitlab-Realm", "saas"),
        ("X-Gitlab-Authentication-Type", "none"),
    ],
)
async def test_a_header_that_contradicts_its_claim_is_401(
    gateway: RunningGateway, name: str, value: str
) -> None:
    headers = {"Authorization": f"Bearer {a_token()}", name: value}
    assert (await gateway.http.get("/v1/models", headers=headers)).status_code == 401


async def test_headers_that_equal_their_claims_pass(gateway: RunningGateway) -> None:
    headers = {
        "Authorization": f"bearer {a_token()}",
        "X-Gitlab-Global-User-Id": "user-1",
        "X-Gitlab-Realm": "self-managed",
        "X-Gitlab-Authentication-Type": "oidc",
    }
    assert (await gateway.http.get("/v1/models", headers=headers)).status_code == 200


async def test_a_remembered_token_still_expires(settings: Settings) -> None:
    passed_s = 0.0
    async with a_gateway(settings, clock=lambda: time.time() + passed_s) as gateway:
        token = a_token(exp=int(time.time()) + 60)
        assert (await gateway.chat(token)).status_code == 200
        passed_s = 60 + LEEWAY_S - 5
        assert (await gateway.chat(token)).status_code == 200
        passed_s = 60 + LEEWAY_S + 1
        assert (await gateway.chat(token)).status_code == 401


async def test_a_clock_slightly_ahead_at_the_instance_is_forgiven(gateway: RunningGateway) -> None:
    assert (await gateway.chat(a_token(nbf=now_s() + 8, iat=now_s() + 8))).status_code == 200


async def test_an_instance_token_opens_no_model(gateway: RunningGateway) -> None:
    answer = await gateway.chat(a_token(use="instance"))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "feature_not_granted")


async def test_base64_with_padding_is_not_a_token(gateway: RunningGateway) -> None:
    header, payload, signature = a_token().split(".")
    padded = base64.urlsafe_b64encode(base64.urlsafe_b64decode(signature + "==")).decode()
    assert (await gateway.chat(f"{header}.{payload}.{padded}=")).status_code == 401
