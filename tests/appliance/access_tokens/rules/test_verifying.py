from typing import Any
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey

from appliance.access_tokens.errors import AccessTokenInvalidError, AccessTokenSupersededError
from appliance.access_tokens.rules import PublicKey, generate_key, public_half, verifying
from appliance.accounts.rules import Caller
from gateway.contract.claims import Claims
from tests.instance_builders import NOW, a_caller, a_pat, a_user

AT = int(NOW.timestamp())
INSTANCE_ID = str(UUID(int=9))


@pytest.fixture(scope="module")
def key() -> RSAPrivateKey:
    return generate_key()


@pytest.fixture(scope="module")
def published(key: RSAPrivateKey) -> PublicKey:
    return public_half(key)


def _payload(**changes: Any) -> dict[str, Any]:
    payload = {
        "iss": "http://i",
        "aud": ["gitlab-ai-gateway"],
        "sub": "opaque",
        "iat": AT,
        "nbf": AT - 5,
        "exp": AT + 900,
        "jti": "j",
        "gitlab_realm": "self-managed",
        "gitlab_instance_id": INSTANCE_ID,
        "scopes": ["duo_chat"],
        "providers": [],
        "use": "direct",
        "cred": "pat:3",
        "gen": 2,
        "era": 5,
    }
    return {name: value for name, value in {**payload, **changes}.items() if value is not None}


def _token(key: RSAPrivateKey, kid: str, **changes: Any) -> str:
    return jwt.encode(_payload(**changes), key, algorithm="RS256", headers={"kid": kid})


def _verified(text: str, published: PublicKey) -> Claims:
    return verifying.verified_claims(
        verifying.presented_token(f"Bearer {text}"),
        [published],
        issuers=["http://i", "http://former"],
        instance_id=INSTANCE_ID,
        now=NOW,
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"iss": "http://former"},
        {"aud": ["other", "gitlab-ai-gateway"]},
        {"iat": AT + 10, "nbf": AT + 10},
        {"iat": AT - 909, "exp": AT - 9},
        {"exp": AT + 3600},
    ],
)
def test_a_good_token_is_read(
    key: RSAPrivateKey, published: PublicKey, changes: dict[str, Any]
) -> None:
    claims = _verified(_token(key, published.kid, **changes), published)
    assert verifying.credential_id(claims) == 3


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "http://other"},
        {"aud": ["other"]},
        {"aud": "gitlab-ai-gateway"},
        {"gitlab_instance_id": "other"},
        {"use": "forwarded"},
        {"use": "instance"},
        {"sub": ""},
        {"jti": "j" * 256},
        {"iat": AT + 11, "nbf": AT},
        {"nbf": AT + 11},
        {"iat": AT - 910, "exp": AT - 10},
        {"exp": AT + 3601},
        {"iat": AT, "exp": AT},
        {"exp": None},
        {"scopes": "duo_chat"},
    ],
)
def test_a_token_that_is_not_for_this_or_not_now_is_refused(
    key: RSAPrivateKey, published: PublicKey, changes: dict[str, Any]
) -> None:
    with pytest.raises(AccessTokenInvalidError):
        _verified(_token(key, published.kid, **changes), published)


def test_only_a_published_key_signs(key: RSAPrivateKey, published: PublicKey) -> None:
    with pytest.raises(AccessTokenInvalidError, match="invalid") as refusal:
        _verified(_token(key, "another"), published)
    assert refusal.value.reason == "unknown kid"
    with pytest.raises(AccessTokenInvalidError) as refusal:
        _verified(_token(generate_key(), published.kid), published)
    assert refusal.value.reason == "the signature is wrong"


@pytest.mark.parametrize("header", [None, "", "Bearer x", "Bearer \u20ac", "Basic a.b.c"])
def test_what_is_no_token_is_refused(header: str | None) -> None:
    with pytest.raises(AccessTokenInvalidError):
        verifying.presented_token(header)


@pytest.mark.parametrize(
    "cred", [None, "", "3", "pat:", "pat:-1", "pat:٣", "pat:1e3", "pat:" + "1" * 11]
)
def test_a_token_without_its_credential_is_refused(
    key: RSAPrivateKey, published: PublicKey, cred: str | None
) -> None:
    claims = _verified(_token(key, published.kid, cred=cred), published)
    with pytest.raises(AccessTokenInvalidError):
        verifying.credential_id(claims)


def _judged(
    key: RSAPrivateKey, published: PublicKey, caller: Caller | None, *, era: int = 5
) -> Caller:
    claims = _verified(_token(key, published.kid), published)
    return verifying.check_still_granted(claims, caller, global_user_id="opaque", era=era, now=NOW)


def test_who_still_holds_what_the_token_says_is_found(
    key: RSAPrivateKey, published: PublicKey
) -> None:
    caller = a_caller(grant_generation=2)
    assert _judged(key, published, caller) == caller


@pytest.mark.parametrize(
    ("caller", "era"),
    [
        (None, 5),
        (Caller(user=a_user(grant_generation=2), credential=a_pat(is_revoked=True)), 5),
        (Caller(user=a_user(grant_generation=2), credential=a_pat(expires_on=NOW.date())), 5),
        (a_caller(grant_generation=2, state="blocked"), 5),
        (a_caller(grant_generation=3), 5),
        (a_caller(grant_generation=2), 6),
    ],
)
def test_what_was_taken_back_or_changed_supersedes_the_token(
    key: RSAPrivateKey, published: PublicKey, caller: Caller | None, era: int
) -> None:
    with pytest.raises(AccessTokenSupersededError):
        _judged(key, published, caller, era=era)


def test_a_token_about_somebody_else_is_refused(key: RSAPrivateKey, published: PublicKey) -> None:
    claims = _verified(_token(key, published.kid, sub="another"), published)
    with pytest.raises(AccessTokenInvalidError):
        verifying.check_still_granted(claims, a_caller(), global_user_id="opaque", era=5, now=NOW)
