"""Makes tokens that should not be believed, as exactly as the trick needs."""

import base64
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

import jwt
from cryptography.hazmat.primitives import serialization

from gateway.contract.claims import AUDIENCE
from gateway.contract.introspection import PAT_PREFIX, pat_checksum
from tests.builders import INSTANCE_ID, ISSUER, KID, a_signing_key, base64url
from tests.door import GITLAB, Lines, bearing, signed
from tests.fakes.gitlab import a_user_token_key

NOW = int(time.time())
HEADER = {"alg": "RS256", "typ": "JWT", "kid": KID}
TIMES = {"iat": NOW, "nbf": NOW - 5, "exp": NOW + 900}
MISSING = object()
OTHER_KEY = "of-somebody-else"

Make = Callable[[], Lines]


def some_payload(**changes: Any) -> dict[str, Any]:
    """The claims of a good token at NOW; MISSING takes one out."""
    payload = {
        "iss": ISSUER,
        "aud": [AUDIENCE],
        "sub": "user-1",
        "iat": NOW,
        "nbf": NOW - 5,
        "exp": NOW + 900,
        "jti": "jti-1",
        "gitlab_realm": "self-managed",
        "gitlab_instance_id": INSTANCE_ID,
        "scopes": ["duo_chat"],
        "providers": ["shm"],
        "use": "direct",
        **changes,
    }
    return {name: value for name, value in payload.items() if value is not MISSING}


def good() -> str:
    return signed(HEADER, some_payload())


def head(**members: Any) -> Make:
    """A good token but for what its header says."""
    header = {**HEADER, **members}
    return lambda: bearing(
        signed({name: each for name, each in header.items() if each is not MISSING}, some_payload())
    )


def says(**claims: Any) -> Make:
    """A good token but for what it claims."""
    return lambda: bearing(signed(HEADER, some_payload(**claims)))


def text(header: bytes | None = None, payload: bytes | None = None) -> Make:
    """A good signature over JSON that no library of ours would write."""
    return lambda: bearing(signed(header or HEADER, payload or some_payload()))


def with_json(old: str, new: str) -> Make:
    """A good signature over a payload with a part of its text replaced."""
    written = json.dumps(some_payload())
    assert old in written
    return text(payload=written.replace(old, new).encode("utf-8", "surrogatepass"))


def by(algorithm: str, key: Any) -> Make:
    return lambda: bearing(
        jwt.encode(some_payload(), key, algorithm=algorithm, headers={"kid": KID})
    )


def by_hmac() -> Lines:
    """HS256 with the published key as its secret."""
    pem = (
        a_signing_key(KID)
        .public_key()
        .public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    )
    parts = [
        base64url(json.dumps(each).encode())
        for each in ({**HEADER, "alg": "HS256"}, some_payload())
    ]
    secret = jwt.algorithms.HMACAlgorithm(jwt.algorithms.HMACAlgorithm.SHA256)
    signature = secret.sign(".".join(parts).encode(), pem)
    return bearing(".".join((*parts, base64url(signature))))


def unsigned(algorithm: Any = "none") -> Make:
    parts = [json.dumps(each).encode() for each in ({**HEADER, "alg": algorithm}, some_payload())]
    return lambda: bearing(".".join([*(base64url(part) for part in parts), ""]))


def parts(change: Callable[[str, str, str], str]) -> Make:
    """A good token, taken apart and put together otherwise."""
    return lambda: bearing(change(*good().split(".")))


def spare_bits(segment: str) -> str:
    """Another text for the same bytes: the last character has bits that no byte needs."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    return segment[:-1] + alphabet[alphabet.index(segment[-1]) ^ 1]


def flipped(segment: str, at: int) -> str:
    raw = bytearray(base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4)))
    raw[at] ^= 1
    return base64url(bytes(raw))


def line(value: bytes) -> Make:
    return lambda: [(b"authorization", value)]


def beside(**headers: str) -> Make:
    more = [
        (f"x-gitlab-{name}".replace("_", "-").encode(), value.encode())
        for name, value in headers.items()
    ]
    return lambda: bearing(good(), *more)


def from_gitlab(headers: Mapping[str, str | None] | None = None, **claims: Any) -> Make:
    def make() -> Lines:
        sent = GITLAB.headers(GITLAB.token(**{**TIMES, **claims}), **(headers or {}))
        return [(name.lower().encode(), value.encode()) for name, value in sent.items()]

    return make


def from_gitlabs_user(headers: Mapping[str, str | None] | None = None, **claims: Any) -> Make:
    def make() -> Lines:
        payload = {
            **GITLAB.claims(**TIMES),
            "iss": AUDIENCE,
            "aud": AUDIENCE,
            "sub": "global-user-1",
        }
        kid = a_user_token_key()._kid
        token = signed(
            {**HEADER, "kid": kid},
            {**payload, "source_iss": GITLAB.url, "providers": ["duo"], **claims},
            key=a_signing_key("user-tokens"),
        )
        sent = GITLAB.headers(token, **(headers or {}))
        return [(name.lower().encode(), value.encode()) for name, value in sent.items()]

    return make


def a_pat(body: str = "a" * 32) -> str:
    return PAT_PREFIX + body + pat_checksum(PAT_PREFIX + body)
