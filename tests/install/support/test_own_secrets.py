import base64
import json
import textwrap
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from install.places import Places
from install.support.own_secrets import Scanner, Secret, gather
from install.tls.issuing import Authority
from tests.instance_builders import NOW

VALUE = b"Zq7-TnW4xK0vB2mLr8sYd1EoPh6uGcAf"
SECRET = Secret(kind="what lies in a file", value=VALUE)
FORMS: dict[str, Callable[[bytes], bytes]] = {
    "itself": lambda value: value,
    "base64": base64.b64encode,
    "base64 in a URL": base64.urlsafe_b64encode,
    "base64 behind one byte": lambda value: base64.b64encode(b"x" + value + b"yz"),
    "base64 behind two bytes": lambda value: base64.b64encode(b"xy" + value + b"z"),
    "hex": lambda value: value.hex().encode(),
    "large hex": lambda value: value.hex().upper().encode(),
    "in a URL": lambda value: quote(value, safe="").encode(),
    "backwards": lambda value: value[::-1],
    "over lines": lambda value: b"\n".join(value[i : i + 5] for i in range(0, len(value), 5)),
    "over lines in JSON": lambda value: json.dumps(
        "\n".join(textwrap.wrap(value.decode(), 7))
    ).encode(),
    "half of it": lambda value: value[:18],
}


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_is_found_in_every_form(form: str) -> None:
    content = b'{"event": "x", "value": "' + FORMS[form](VALUE) + b'"}\n'
    assert Scanner([SECRET]).find(content) == SECRET.kind


@given(
    value=st.binary(min_size=24, max_size=64).filter(lambda each: len(set(each)) > 12),
    before=st.binary(max_size=40),
    after=st.binary(max_size=40),
    form=st.sampled_from(sorted(set(FORMS) - {"over lines in JSON", "half of it"})),
)
def test_no_secret_of_any_bytes_passes_in_any_form(
    value: bytes, before: bytes, after: bytes, form: str
) -> None:
    scanner = Scanner([Secret(kind="k", value=value)])
    assert scanner.find(before + FORMS[form](value) + after) == "k"


@given(text=st.text(max_size=300))
def test_what_holds_no_secret_passes(text: str) -> None:
    content = text.encode()
    assert VALUE[:16] in content or Scanner([SECRET]).find(content) is None


def test_a_short_secret_is_found_as_a_whole() -> None:
    scanner = Scanner([Secret(kind="k", value=b"hunter2!")])
    assert scanner.find(b"the word is hunter2!.") == "k"
    assert scanner.find(b"the word is hunter3!.") is None


def test_a_secret_is_not_in_its_repr() -> None:
    assert VALUE.decode() not in repr(SECRET)


def test_every_secret_of_a_home_is_known(places: Places) -> None:
    home = places.home
    (home / "keys" / "master.key").write_text(base64.b64encode(VALUE).decode() + "\n")
    (home / "credentials" / "admin_password").write_text("the-admins-own-password\n")
    (home / "model_server" / "api_key").write_text("key-of-the-model-server")
    (home / "keys" / "facts.json").write_text(
        json.dumps({"private": "private-half-of-a-key", "public_key": "public-half-of-a-key"})
    )
    handed_on = {"CASEMATE_DATABASE_URL": "postgresql://x:pass%2Dword@10.0.0.1/db"}
    found = {secret.value: secret.kind for secret in gather(places, handed_on)}
    assert found[VALUE] == "what lies in keys/master.key"
    assert b"the-admins-own-password" in found
    assert b"key-of-the-model-server" in found
    assert b"private-half-of-a-key" in found
    assert b"public-half-of-a-key" not in found
    assert found[b"pass-word"] == "the password in CASEMATE_DATABASE_URL"


def test_of_keys_beside_certificates_only_the_keys_are_secret(places: Places) -> None:
    authority = Authority.make(now=NOW)
    pem = authority.issue(["localhost"], now=NOW)
    places.certificate("gateway").write_text(pem)
    scanner = Scanner(gather(places, {}))
    key, _, certificates = pem.partition("-----BEGIN CERTIFICATE-----")
    assert scanner.find(key.encode()) == "what lies in keys/tls/gateway.pem"
    assert scanner.find(certificates.encode()) is None
    assert scanner.find(authority.bundle().encode()) is None


def test_a_licence_is_no_secret(places: Places) -> None:
    (places.credentials / "demo_licence.json").write_text('{"licensee": "Example and sons"}')
    assert gather(places, {}) == ()


def test_a_file_too_large_for_a_secret_is_none(places: Places) -> None:
    (places.home / "keys" / "large").write_bytes(b"x" * (2**16 + 1))
    assert gather(places, {}) == ()
