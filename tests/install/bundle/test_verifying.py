import re
from datetime import timedelta
from pathlib import Path

import pytest

from install.bundle import manifest, members, pins, signers, verifying
from install.bundle.errors import (
    DamagedError,
    SignatureError,
    SignerError,
    SignerExpiredError,
    SignerNotYetValidError,
    SignerUnknownError,
    TrustDamagedError,
    TrustNotConfirmedError,
    UnsignedError,
)
from install.bundle.signers import SigningKey
from install.bundle.statements import Statement
from install.bundle.verifying import Asks, Verified, verify
from tests.bundle_builders import LONG_AGO, NOW, a_bundle, a_signing_key, the_signing_key

CONTENTS = {"docs/README.md": b"read me\n", "docs/again.md": b"read me\n", "models/m/w": b"w" * 99}
YES = Asks(confirm=lambda _statement: True)
UNSIGNED = Asks(is_unsigned_allowed=True)


def a_small(folder: Path, signing: SigningKey | None = None) -> Path:
    return a_bundle(folder / "a.bundle", CONTENTS, signing=signing)


def trusting(folder: Path, signing: SigningKey) -> Path:
    """A box that took its first bundle from this signer."""
    trust = folder / "trust.json"
    path = a_bundle(folder / "first.bundle", {"docs/a": b"a"}, signing=signing)
    pin = verify(path, trust=trust, now=NOW, asks=YES).new_pin
    assert pin
    pins.write(trust, pin)
    return trust


def verified(path: Path, trust: Path, asks: Asks | None = None) -> Verified:
    return verify(path, trust=trust, now=NOW, asks=asks or Asks())


def with_member(path: Path, name: str, content: bytes) -> Path:
    """The bundle with another content of one of its first members."""
    with path.open("rb") as file:
        found = [*members.members(file)]
        rest = file.read()
        parts = []
        for each in found:
            file.seek(each.offset)
            parts.append((each.name, content if each.name == name else file.read(each.size)))
    with path.open("wb") as file:
        for each_name, held in parts:
            file.write(members.header(each_name, len(held)) + held)
            file.write(bytes(members.padding(len(held))))
        file.write(members.END + rest)
    return path


def test_the_first_signer_is_taken_when_somebody_says_yes(tmp_path: Path) -> None:
    asked: list[str] = []

    def confirm(statement: Statement) -> bool:
        asked.append(statement.fingerprint)
        return True

    found = verified(a_small(tmp_path), tmp_path / "trust.json", Asks(confirm=confirm))
    assert asked == [the_signing_key().fingerprint]
    assert found.is_first
    assert found.new_pin
    assert found.new_pin.how == "typed"
    assert found.signer == found.new_pin.fingerprint
    assert not (tmp_path / "trust.json").exists()


@pytest.mark.parametrize("form", ["{}", "{}=", " {} "])
def test_the_first_signer_is_taken_when_its_fingerprint_is_given(tmp_path: Path, form: str) -> None:
    given = form.format(the_signing_key().fingerprint)
    found = verified(a_small(tmp_path), tmp_path / "trust.json", Asks(fingerprint=given))
    assert found.new_pin
    assert found.new_pin.how == "fingerprint"


@pytest.mark.parametrize("asks", [Asks(), Asks(fingerprint="SHA256:another")])
def test_a_first_signer_that_nobody_confirms_is_refused(tmp_path: Path, asks: Asks) -> None:
    with pytest.raises(TrustNotConfirmedError, match=re.escape(the_signing_key().fingerprint)):
        verified(a_small(tmp_path), tmp_path / "trust.json", asks)


def test_later_bundles_of_the_same_signer_need_no_word(tmp_path: Path) -> None:
    trust = trusting(tmp_path, the_signing_key())
    found = verified(a_small(tmp_path), trust)
    assert not found.is_first
    assert found.new_pin is None


def test_a_later_bundle_must_have_the_fingerprint_that_is_given(tmp_path: Path) -> None:
    trust = trusting(tmp_path, the_signing_key())
    with pytest.raises(TrustNotConfirmedError):
        verified(a_small(tmp_path), trust, Asks(fingerprint="SHA256:another"))


def test_another_signer_is_refused_whoever_says_yes(tmp_path: Path) -> None:
    trust = trusting(tmp_path, the_signing_key())
    other = a_signing_key(tmp_path / "other", name="Somebody Else")
    asks = Asks(fingerprint=other.fingerprint, confirm=lambda _statement: True)
    with pytest.raises(SignerUnknownError, match="Somebody Else"):
        verified(a_small(tmp_path, other), trust, asks)


def test_a_chain_of_changes_leads_from_the_pinned_key_to_a_new_one(tmp_path: Path) -> None:
    first = a_signing_key(tmp_path / "1")
    second = a_signing_key(tmp_path / "2", not_before=NOW, after=first)
    third = a_signing_key(tmp_path / "3", not_before=NOW, after=second)
    trust = trusting(tmp_path, first)
    pin = verified(a_small(tmp_path, third), trust).new_pin
    assert pin
    pins.write(trust, pin)
    assert (pin.fingerprint, pin.how) == (third.fingerprint, "key_change")
    with pytest.raises(SignerUnknownError):
        verified(a_small(tmp_path, second), trust)


def test_a_key_says_nothing_about_those_beside_it(tmp_path: Path) -> None:
    first = a_signing_key(tmp_path / "1")
    ours = a_signing_key(tmp_path / "2", not_before=NOW, after=first)
    stolen = a_signing_key(tmp_path / "3", not_before=NOW, after=first)
    trust = trusting(tmp_path, ours)
    with pytest.raises(SignerUnknownError):
        verified(a_small(tmp_path, stolen), trust)


def test_a_change_of_a_key_whose_time_was_over_does_not_count(tmp_path: Path) -> None:
    first = a_signing_key(tmp_path / "1", expires=NOW - timedelta(days=1))
    with pytest.raises(SignerExpiredError):
        a_signing_key(tmp_path / "2", not_before=NOW, after=first)
    trust = tmp_path / "trust.json"
    pins.write(trust, verifying._pin(first.signer.statement, NOW, how="typed"))
    # What the tool refuses, somebody with the old key can still write.
    forged = a_signing_key(tmp_path / "3", not_before=NOW)
    plain = forged.signer.statement
    forged = SigningKey(
        folder=forged.folder,
        signer=type(forged.signer)(statements=signers._signed(forged.folder, plain, first)),
    )
    with pytest.raises(SignerError, match="could not appoint"):
        verified(a_small(tmp_path, forged), trust)


@pytest.mark.parametrize(
    ("days", "error"), [((-9, 0), SignerExpiredError), ((1, 9), SignerNotYetValidError)]
)
def test_a_signer_outside_of_its_time_is_refused(
    tmp_path: Path, days: tuple[int, int], error: type[Exception]
) -> None:
    begins, ends = (NOW + timedelta(days=each) for each in days)
    key = a_signing_key(tmp_path / "key", not_before=begins, expires=ends)
    with pytest.raises(error, match="clock"):
        verified(a_small(tmp_path, key), tmp_path / "trust.json", YES)


def test_both_ends_of_a_signers_time(tmp_path: Path) -> None:
    ends = NOW + timedelta(seconds=1)
    key = a_signing_key(tmp_path / "key", not_before=NOW, expires=ends)
    path = a_small(tmp_path, key)
    trust = tmp_path / "trust.json"
    assert verify(path, trust=trust, now=NOW, asks=YES).signer == key.fingerprint
    with pytest.raises(SignerExpiredError):
        verify(path, trust=trust, now=ends, asks=YES)


def test_a_signature_of_another_key_is_refused(tmp_path: Path) -> None:
    other = a_signing_key(tmp_path / "other")
    path = a_small(tmp_path)
    with_member(path, members.SIGNATURE, other.sign(b"whatever"))
    with pytest.raises(SignatureError):
        verified(path, tmp_path / "trust.json", YES)


def test_the_key_beside_the_statement_is_the_statements(tmp_path: Path) -> None:
    other = a_signing_key(tmp_path / "other")
    path = with_member(a_small(tmp_path), members.SIGNER_KEY, other.public_key)
    with pytest.raises(SignerError, match="two different keys"):
        verified(path, tmp_path / "trust.json", YES)


def test_an_unsigned_bundle_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    path = with_member(a_small(tmp_path), members.SIGNATURE, b"")
    trust = tmp_path / "trust.json"
    with pytest.raises(UnsignedError):
        verified(path, trust, YES)
    found = verified(path, trust, UNSIGNED)
    assert found.is_unsigned
    assert found.new_pin is None
    assert found.unsigned_because == "bundle_unsigned"
    assert found.signer is None
    assert not trust.exists()


def test_an_allowed_bundle_of_another_signer_moves_no_pin(tmp_path: Path) -> None:
    trust = trusting(tmp_path, the_signing_key())
    found = verified(a_small(tmp_path, a_signing_key(tmp_path / "other")), trust, UNSIGNED)
    assert found.unsigned_because == "signer_unknown"
    assert found.new_pin is None


def test_what_is_allowed_unsigned_is_still_checked_by_digest(tmp_path: Path) -> None:
    path = with_member(a_small(tmp_path), members.SIGNATURE, b"")
    content = path.read_bytes()
    path.write_bytes(content.replace(b"wwww", b"wwvw", 1))
    with pytest.raises(DamagedError):
        verified(path, tmp_path / "trust.json", UNSIGNED)


def test_a_damaged_chunk_is_named_with_all_that_it_is_of(tmp_path: Path) -> None:
    path = a_small(tmp_path)
    path.write_bytes(path.read_bytes().replace(b"read me\n", b"read mf\n", 1))
    with pytest.raises(DamagedError, match=r"docs/README\.md, docs/again\.md") as caught:
        verified(path, tmp_path / "trust.json", YES)
    assert caught.value.paths == ("docs/README.md", "docs/again.md")


def test_nothing_is_taken_on_a_damaged_word_of_trust(tmp_path: Path) -> None:
    trust = tmp_path / "trust.json"
    trust.write_text("{}")
    with pytest.raises(TrustDamagedError):
        verified(a_small(tmp_path), trust, YES)


def test_all_bytes_are_counted(tmp_path: Path) -> None:
    heard: list[int] = []
    found = verify(
        a_small(tmp_path), trust=tmp_path / "t", now=NOW, asks=YES, on_bytes=heard.append
    )
    assert sum(heard) == len(b"read me\n") + 99 + found.manifest.installer.size


def test_a_key_made_long_ago_may_still_sign(tmp_path: Path) -> None:
    key = a_signing_key(tmp_path / "key", not_before=LONG_AGO)
    assert verified(a_small(tmp_path, key), tmp_path / "trust.json", YES).signer == key.fingerprint


def test_nothing_is_made_of_a_manifest_whose_signature_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def parse(_text: bytes) -> None:
        raise AssertionError

    path = with_member(a_small(tmp_path), members.MANIFEST, b"[" + b"[]," * 10**6 + b"[]]")
    monkeypatch.setattr(manifest, "parse", parse)
    with pytest.raises(SignatureError):
        verified(path, tmp_path / "trust.json", YES)
