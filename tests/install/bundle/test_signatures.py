import base64
import hashlib
import os
import stat
import subprocess
from pathlib import Path

import pytest

from install.bundle import signatures
from install.bundle.errors import (
    OpenSSLError,
    SignatureError,
    SignerError,
    SigningKeyError,
    TemporaryFolderError,
)
from tests.bundle_builders import the_signing_key


def test_what_a_key_signed_is_its_own_and_nothing_else() -> None:
    key = the_signing_key()
    signature = key.sign(b"hello")
    signatures.verify(key.public_key, b"hello", signature)
    for message, signed in ((b"hello!", signature), (b"hello", bytes(64)), (b"hello", b"short")):
        with pytest.raises(SignatureError):
            signatures.verify(key.public_key, message, signed)


def test_the_same_message_gives_the_same_signature() -> None:
    assert the_signing_key().sign(b"hello") == the_signing_key().sign(b"hello")


def test_a_new_key_is_its_owners_alone_and_never_replaces_another(tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        public = signatures.new_key(tmp_path / "key.pem")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "key.pem").stat().st_mode) == 0o600
    assert public == signatures.public_key(tmp_path / "key.pem")
    with pytest.raises(SigningKeyError):
        signatures.new_key(tmp_path / "key.pem")


def test_a_fingerprint_is_of_the_raw_key() -> None:
    public = the_signing_key().public_key
    raw = base64.b64decode(public.splitlines()[1])[-32:]
    digest = base64.b64encode(hashlib.sha256(raw).digest()).decode().rstrip("=")
    assert signatures.fingerprint(public) == f"SHA256:{digest}"


@pytest.mark.parametrize(
    "public",
    [
        b"",
        b"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n",
        the_signing_key().public_key + b"\n",
        the_signing_key().public_key.replace(b"\n", b"\r\n"),
    ],
)
def test_what_is_no_ed25519_key_in_its_one_form_is_refused(public: bytes) -> None:
    with pytest.raises(SignerError):
        signatures.fingerprint(public)
    with pytest.raises(SignerError):
        signatures.verify(public, b"hello", bytes(64))


def test_a_key_of_another_kind_cannot_sign(tmp_path: Path) -> None:
    words = ["openssl", "genpkey", "-algorithm", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    subprocess.run([*words, "-out", tmp_path / "key"], check=True, capture_output=True)
    with pytest.raises(SigningKeyError):
        signatures.public_key(tmp_path / "key")
    with pytest.raises(SigningKeyError):
        signatures.sign(tmp_path / "missing", b"hello")


def test_a_machine_without_openssl_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    key = the_signing_key()
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(OpenSSLError, match="OpenSSL 3"):
        signatures.verify(key.public_key, b"hello", bytes(64))


def test_a_temporary_folder_that_takes_nothing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(TemporaryFolderError, match=r"/missing: .*TMPDIR"):
        the_signing_key().sign(b"hello")


def test_an_openssl_that_cannot_verify_is_no_yes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = the_signing_key()
    (tmp_path / "openssl").write_text("#!/bin/sh\necho unknown option -rawin >&2\nexit 1\n")
    (tmp_path / "openssl").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(OpenSSLError, match="rawin"):
        signatures.verify(key.public_key, b"hello", bytes(64))
    with pytest.raises(OpenSSLError):
        signatures.new_key(tmp_path / "key.pem")
    assert not (tmp_path / "key.pem").exists()
