import argparse
import json
from pathlib import Path
from typing import Any

import pytest

from install.bundle import looking, pins, program, verifying
from install.bundle.errors import TrustNotConfirmedError
from install.bundle.manifest import CarriedImage, CarriedModel
from install.errors import SettingError
from tests.bundle_builders import NOW, a_bundle, a_signing_key, the_signing_key

CONTENTS = {"docs/README.md": b"read me\n", "models/m/w": b"w" * 3000, "images/g.tar": b"i" * 10}
MODEL = CarriedModel(
    ref="m", name="A Model", family="f", context_tokens=2048, folder="models/m", digest="1" * 64
)
IMAGE = CarriedImage(
    service="gateway", tag="gateway:0.2.0", identity="sha256:x", path="images/g.tar"
)


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    found = tmp_path / "home"
    found.mkdir()
    monkeypatch.setenv("CASEMATE_HOME", str(found))
    monkeypatch.delenv(looking.UNSIGNED, raising=False)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return a_bundle(tmp_path / "a.bundle", CONTENTS, models=[MODEL], images=[IMAGE])


def bundle(*words: object) -> int:
    return program.main([str(each) for each in words], carried=None)


def told(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    found = json.loads(capsys.readouterr().out)
    assert isinstance(found, dict)
    return found


def trust(path: Path, home: Path) -> None:
    asks = verifying.Asks(confirm=lambda _statement: True)
    file = home / looking.TRUST
    pin = verifying.verify(path, trust=file, now=NOW, asks=asks).new_pin
    assert pin
    pins.write(file, pin)


def test_a_bundle_of_a_confirmed_signer_is_verified_and_nobody_pinned(
    home: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fingerprint = the_signing_key().fingerprint
    assert bundle("verify", path, "--fingerprint", fingerprint) == 0
    shown = capsys.readouterr().out
    assert "Casemate 0.2.0: every byte" in shown
    assert fingerprint in shown
    assert bundle("verify", path, "--fingerprint", fingerprint, "--json") == 0
    found = told(capsys)
    assert found["signer"] == {"fingerprint": fingerprint, "name": "Example Maker"}
    assert found["is_first"]
    assert not found["key_changes"]
    assert not list(home.iterdir())


def test_a_signer_whom_nobody_confirmed_is_refused(
    home: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bundle("verify", path, "--json") == 2
    shown = capsys.readouterr()
    assert json.loads(shown.out)["error"]["code"] == "trust_not_confirmed"
    assert f"--fingerprint {the_signing_key().fingerprint}" in shown.err
    assert not list(home.iterdir())


def test_a_damaged_bundle_is_refused_by_name(
    home: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust(path, home)
    path.write_bytes(path.read_bytes().replace(b"www", b"wvw", 1))
    assert bundle("verify", path) == 2
    assert "models/m/w" in capsys.readouterr().err


def test_an_appointed_key_is_told(
    home: Path, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust(path, home)
    after = a_signing_key(tmp_path / "new", after=the_signing_key())
    later = a_bundle(tmp_path / "b.bundle", {"docs/a": b"a"}, signing=after)
    assert bundle("verify", later) == 0
    assert "a new key, appointed" in capsys.readouterr().out
    pinned = pins.pinned(home / looking.TRUST)
    assert pinned
    assert pinned.fingerprint == the_signing_key().fingerprint


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("value", ["", "1", "yes", "YES-I-KNOW"])
def test_one_word_alone_allows_nothing_unsigned(
    path: Path, value: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(looking.UNSIGNED, value)
    assert bundle("verify", path, "--allow-unsigned") == 2
    assert "yes-i-know" in capsys.readouterr().err
    with pytest.raises(SettingError):
        looking.asks(argparse.Namespace(fingerprint=None, allow_unsigned=True))


@pytest.mark.usefixtures("home")
def test_the_environment_alone_allows_nothing_unsigned(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(looking.UNSIGNED, looking.UNSIGNED_YES)
    assert bundle("verify", path) == 2


@pytest.mark.usefixtures("home")
def test_what_is_allowed_unsigned_says_that_nobody_vouches_for_it(
    path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(looking.UNSIGNED, looking.UNSIGNED_YES)
    assert bundle("verify", path, "--allow-unsigned") == 0
    assert "NOT KNOWN (trust_not_confirmed)" in capsys.readouterr().out


def test_what_a_bundle_carries_is_shown(
    home: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bundle("inspect", path) == 0
    shown = capsys.readouterr().out
    for each in ("0.2.0", "cpu", "m (A Model), 3.0 kB", "gateway:0.2.0, 10 bytes", "files    3"):
        assert each in shown
    assert "this box trusts nobody yet" in shown
    trust(path, home)
    bundle("inspect", path)
    assert "this box takes its bundles" in capsys.readouterr().out


def test_what_a_bundle_carries_is_told_to_scripts(
    home: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust(path, home)
    assert bundle("inspect", path, "--json") == 0
    found = told(capsys)
    assert found["models"][0]["bytes"] == 3000
    assert found["images"][0]["service"] == "gateway"
    assert found["signer"]["standing"] == "pinned"
    assert found["signer"]["fingerprint"] == the_signing_key().fingerprint


def test_how_a_signer_stands_with_this_box_is_told(
    home: Path, path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    trust(path, home)
    after = a_signing_key(tmp_path / "new", after=the_signing_key())
    other = a_signing_key(tmp_path / "other")
    for key, standing in ((after, "appointed"), (other, "unknown")):
        bundle("inspect", a_bundle(tmp_path / standing, {"a": b"a"}, signing=key), "--json")
        assert told(capsys)["signer"]["standing"] == standing


@pytest.mark.usefixtures("home")
def test_a_signer_who_cannot_be_proven_is_shown_as_such(
    path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path.write_bytes(path.read_bytes().replace(b'"0.2.0"', b'"0.3.0"', 1))
    assert bundle("inspect", path) == 0
    assert "NOT PROVEN: The signature is not the signer's" in capsys.readouterr().out


def test_a_signer_whom_nobody_can_compare_is_shown_as_such(
    home: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (home / looking.TRUST).write_text("{}")
    assert bundle("inspect", path) == 0
    assert "NOT PROVEN" in capsys.readouterr().out


def test_whom_the_box_trusts_is_shown(
    home: Path, path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bundle("trust") == 0
    assert "trusts nobody yet" in capsys.readouterr().out
    trust(path, home)
    bundle("trust")
    assert the_signing_key().fingerprint in capsys.readouterr().out
    bundle("trust", "--json")
    assert told(capsys)["pinned"]["how"] == "typed"


class Terminal:
    def __init__(self, answer: str = "") -> None:
        self.answer = answer
        self.written = ""

    def isatty(self) -> bool:
        return True

    def readline(self) -> str:
        return self.answer

    def write(self, text: str) -> None:
        self.written += text

    def flush(self) -> None: ...


@pytest.mark.parametrize(("answer", "is_taken"), [("yes\n", True), ("y\n", False), ("", False)])
@pytest.mark.usefixtures("home")
def test_on_a_terminal_somebody_types_yes(
    path: Path, answer: str, is_taken: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Terminal()
    monkeypatch.setattr("sys.stdin", Terminal(answer))
    monkeypatch.setattr("sys.stderr", shown)
    options = argparse.Namespace(bundle=path, fingerprint=None, allow_unsigned=False)
    if is_taken:
        assert looking.verified(options).new_pin
        assert "verifying 100 %" in shown.written
    else:
        with pytest.raises(TrustNotConfirmedError):
            looking.verified(options)
    assert the_signing_key().fingerprint in shown.written
