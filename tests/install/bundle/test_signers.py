import shutil
import stat
from datetime import timedelta
from pathlib import Path

import pytest

from install.bundle import signers
from install.bundle.errors import OpenSSLError, SigningKeyError
from install.bundle.signers import SigningKey
from tests.bundle_builders import LONG_AGO, NOW, a_signing_key


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    return a_signing_key(tmp_path / "key")


def test_a_key_is_its_owners_alone_and_is_read_again(key: SigningKey) -> None:
    assert stat.S_IMODE(key.folder.stat().st_mode) == 0o700
    assert stat.S_IMODE(key.private_key.stat().st_mode) == 0o600
    assert SigningKey.load(key.folder) == key


def test_a_key_that_others_may_read_signs_nothing(key: SigningKey) -> None:
    key.private_key.chmod(0o640)
    with pytest.raises(SigningKeyError, match="chmod 600"):
        SigningKey.load(key.folder)


def test_a_statement_about_another_key_is_refused(key: SigningKey, tmp_path: Path) -> None:
    other = a_signing_key(tmp_path / "other")
    shutil.copy(other.folder / signers.PUBLIC, key.folder / signers.PUBLIC)
    with pytest.raises(SigningKeyError, match="is not the key"):
        SigningKey.load(key.folder)


@pytest.mark.parametrize("name", [signers.PRIVATE, signers.PUBLIC])
def test_half_a_key_is_none(key: SigningKey, name: str) -> None:
    (key.folder / name).unlink()
    with pytest.raises(SigningKeyError, match="key new"):
        SigningKey.load(key.folder)


def test_a_key_is_never_made_over_another(key: SigningKey) -> None:
    before = key.private_key.read_bytes()
    with pytest.raises(SigningKeyError):
        a_signing_key(key.folder)
    assert key.private_key.read_bytes() == before


SIGNS_NOTHING = (
    f'#!/bin/sh\ncase $1 in pkeyutl) exit 1;; esac\nexec {shutil.which("openssl")} "$@"\n'
)


@pytest.mark.parametrize("program", ["", SIGNS_NOTHING])
def test_a_key_that_could_not_be_made_does_not_stand_in_the_way(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str
) -> None:
    with monkeypatch.context() as patched:
        # Without openssl, and with one that is too old to sign with such a key.
        if program:
            (tmp_path / "openssl").write_text(program)
            (tmp_path / "openssl").chmod(0o755)
        patched.setenv("PATH", str(tmp_path))
        with pytest.raises(OpenSSLError, match="OpenSSL 3"):
            a_signing_key(tmp_path / "key")
    assert not (tmp_path / "key").exists()
    a_signing_key(tmp_path / "key")


@pytest.mark.parametrize("name", ["", "a\nb", "x" * 121, "\x1b[31m"])
def test_a_name_is_one_that_a_terminal_can_show(tmp_path: Path, name: str) -> None:
    with pytest.raises(SigningKeyError, match="name"):
        a_signing_key(tmp_path / "key", name=name)
    assert not (tmp_path / "key").exists()


def test_a_key_ends_after_it_begins(tmp_path: Path) -> None:
    with pytest.raises(SigningKeyError, match="before it begins"):
        a_signing_key(tmp_path / "key", not_before=NOW, expires=NOW + timedelta(microseconds=1))


def test_a_chain_has_an_end(key: SigningKey, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("install.bundle.statements.MAX_STATEMENTS", 1)
    with pytest.raises(SigningKeyError, match="Too many"):
        a_signing_key(key.folder.with_name("next"), not_before=LONG_AGO, after=key)
