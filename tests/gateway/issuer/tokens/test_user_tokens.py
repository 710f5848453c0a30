from pathlib import Path

import jwt
import msgspec
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

from gateway.contract.claims import Claims
from gateway.errors import FeatureNotGrantedError, StateError
from gateway.issuer.tokens.user_tokens import LIFE_S, UserTokenKey, load_user_token_key
from tests.builders import a_signing_key, some_claims
from tests.fakes.gitlab import a_user_token_key, a_user_token_key_file
from tests.forging import NOW


def claims(*scopes: str) -> Claims:
    return msgspec.convert(some_claims(scopes=scopes, providers=["duo"]), Claims)


def test_a_token_holds_no_more_than_what_it_was_made_of() -> None:
    token, ends = a_user_token_key().mint(claims("duo_chat", "complete_code"), now=NOW + 0.5)
    public = a_signing_key("user-tokens").public_key()
    said = jwt.decode(token, public, algorithms=["RS256"], audience="gitlab-ai-gateway")
    assert (said["iss"], said["aud"]) == ("gitlab-ai-gateway", "gitlab-ai-gateway")
    assert (said["scopes"], said["providers"]) == (["complete_code"], ["duo"])
    assert (said["source_iss"], said["sub"]) == ("http://instance.test", "user-1")
    assert ends == said["exp"] == NOW + LIFE_S
    assert said["nbf"] < said["iat"] == NOW


def test_nothing_to_hold_is_refused() -> None:
    with pytest.raises(FeatureNotGrantedError, match="no scope"):
        a_user_token_key().mint(claims("duo_chat"), now=NOW)


async def test_all_gateways_with_the_file_take_what_one_made(tmp_path: Path) -> None:
    token, _ = a_user_token_key().mint(claims("complete_code"), now=NOW)
    kid = jwt.get_unverified_header(token)["kid"]
    other = load_user_token_key(a_user_token_key_file(tmp_path), is_mounted=False)
    assert (other.generation, other.is_usable) == (0, True)
    assert await other.find(kid) == a_signing_key("user-tokens").public_key()
    assert await other.find("another") is None


def test_a_key_that_others_may_read_is_refused_unless_it_was_mounted(tmp_path: Path) -> None:
    path = a_user_token_key_file(tmp_path)
    path.chmod(0o640)
    with pytest.raises(StateError, match="chmod 600"):
        load_user_token_key(path, is_mounted=False)
    assert isinstance(load_user_token_key(path, is_mounted=True), UserTokenKey)


def pem_of(key: rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey, password: bytes = b"") -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(password)
        if password
        else serialization.NoEncryption(),
    )


@pytest.mark.parametrize(
    "pem",
    [
        b"",
        b"not a key",
        pem_of(ed25519.Ed25519PrivateKey.generate()),
        pem_of(rsa.generate_private_key(public_exponent=65537, key_size=1024)),  # noqa: S505  # refused
        pem_of(ed25519.Ed25519PrivateKey.generate(), password=b"x"),
    ],
    ids=["empty", "no key", "another kind", "short", "behind a password"],
)
def test_a_file_that_is_no_good_key_is_refused(tmp_path: Path, pem: bytes) -> None:
    path = tmp_path / "key.pem"
    path.touch(mode=0o600)
    path.write_bytes(pem)
    with pytest.raises(StateError, match="CASEMATE_USER_TOKEN_KEY_FILE"):
        load_user_token_key(path, is_mounted=False)
    with pytest.raises(StateError, match="CASEMATE_USER_TOKEN_KEY_FILE"):
        load_user_token_key(tmp_path / "missing.pem", is_mounted=False)
