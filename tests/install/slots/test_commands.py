import argparse
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from install import locking
from install.bundle import looking, program
from install.bundle.verifying import Verified
from install.places import Places
from install.slots import applying, going_back, receipts
from install.slots.applying import Applied
from install.slots.going_back import RolledBack
from install.slots.journal import Journal
from tests.bundle_builders import the_signing_key
from tests.install.slots.conftest import the_pointer
from tests.small_bundle import the_bundle

APPLIED = Applied(
    release="0.2.0",
    bundle="b" * 64,
    slot="slots/b",
    before="0.1.0",
    was_there=False,
    seconds=12.0,
    acceptance={"asked": 1, "measured": [{"tokens_per_second": 50.0}]},
    notes=(),
)

KNOWN = ["--fingerprint", the_signing_key().fingerprint]


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return the_bundle(tmp_path_factory.mktemp("carried") / "x.bundle")


@pytest.fixture
def taken_over(monkeypatch: pytest.MonkeyPatch) -> list[Sequence[str]]:
    """The words of the program that would take this one's place."""
    found: list[Sequence[str]] = []

    def take_over(_path: str, words: Sequence[str], _environment: object) -> None:
        found.append(words)
        raise SystemExit(0)

    monkeypatch.setattr("os.execve", take_over)
    return found


@pytest.fixture(autouse=True)
def heard(places: Places, monkeypatch: pytest.MonkeyPatch) -> list[applying.Applying]:
    """The applies that were asked for; none is done."""
    assert places.home.is_dir()
    found: list[applying.Applying] = []

    def run(self: applying.Applying) -> Applied:
        found.append(self)
        return APPLIED

    monkeypatch.setattr(applying.Applying, "run", run)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    return found


def test_a_bundle_applies_itself_with_settings_of_up(
    bundle: Path, heard: list[applying.Applying], capsys: pytest.CaptureFixture[str]
) -> None:
    words = ["apply", "--listen", "127.0.0.2", "--tls", "--fingerprint", "SHA256:x"]
    assert program.main(words, carried=bundle) == 0
    (asked,) = heard
    assert asked.path == bundle
    assert asked.words == ["--listen", "127.0.0.2", "--tls"]
    assert asked.options.flags["listen"] == "127.0.0.2"
    assert asked.asks.fingerprint == "SHA256:x"
    said = capsys.readouterr().out
    assert "Casemate 0.2.0 runs, in place of 0.1.0" in said
    assert "50 tokens/s" in said


def test_scripts_get_one_object(bundle: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert program.main(["apply", "--json"], carried=bundle) == 0
    assert json.loads(capsys.readouterr().out)["release"] == "0.2.0"


def test_the_installed_program_verifies_and_leaves_the_rest_to_the_bundles_own(
    bundle: Path, taken_over: list[Sequence[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ["apply", str(bundle), "--tls", *KNOWN]
    monkeypatch.setattr(sys, "argv", ["casemate", "bundle", *words])
    with pytest.raises(SystemExit):
        program.main(words, carried=None)
    (became,) = taken_over
    assert Path(became[0]).name == "python3.11"
    assert became[2:] == ["apply", str(bundle), "--tls", *KNOWN]
    handle = int(became[1].removeprefix("/proc/self/fd/"))
    said = subprocess.run(became[:2], pass_fds=(handle,), capture_output=True, check=True).stdout
    os.close(handle)
    assert said == b"an installer\n"


def test_what_took_the_place_of_a_verified_bundle_is_not_run(
    bundle: Path,
    tmp_path: Path,
    taken_over: list[Sequence[str]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = Path(shutil.copy(bundle, tmp_path / "x.bundle"))
    verify = looking.verified

    def verified_and_exchanged(options: argparse.Namespace) -> Verified:
        found = verify(options)
        the_bundle(path, release="0.9.0")
        return found

    monkeypatch.setattr(looking, "verified", verified_and_exchanged)
    assert program.main(["apply", str(path), *KNOWN], carried=None) == 2
    assert "another bundle than the one that was verified" in capsys.readouterr().err
    assert not taken_over


def test_a_rollback_is_told(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    done = RolledBack(release="0.1.0", before="0.2.0", slot="slots/a")
    monkeypatch.setattr(going_back, "roll_back", lambda *_a: done)
    assert program.main(["rollback"], carried=None) == 0
    assert "Casemate 0.1.0 runs again." in capsys.readouterr().out
    assert program.main(["rollback", "--json"], carried=None) == 0
    assert json.loads(capsys.readouterr().out)["before"] == "0.2.0"


def test_what_was_cut_is_mended_on_word(
    two_slots: Places, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(two_slots)
    number = journal.begin("apply", origin="slots/a", goal="slots/b", facts={})
    journal.note(number, "switching")
    assert program.main(["recover", "--no-start"], carried=None) == 0
    assert "in use again" in capsys.readouterr().out
    assert str(the_pointer(two_slots)) == "slots/a"
    assert program.main(["recover"], carried=None) == 0
    assert "nothing to mend" in capsys.readouterr().out


def test_mending_waits_for_nobody(two_slots: Places, capsys: pytest.CaptureFixture[str]) -> None:
    handle = locking.take(two_slots)
    with locking.held(two_slots, handle):
        assert program.main(["recover"], carried=None) == 1
    assert "Another casemate" in capsys.readouterr().err


def test_receipts_are_shown(places: Places, capsys: pytest.CaptureFixture[str]) -> None:
    journal = Journal(places)
    facts = {"release": "0.1.0", "is_unsigned": True}
    journal.begin("apply", origin=None, goal="slots/a", facts=facts)
    receipts.write(places, journal.attempts()[-1])
    assert program.main(["receipts"], carried=None) == 0
    assert "UNSIGNED" in capsys.readouterr().out
    assert program.main(["receipts", "--json"], carried=None) == 0
    (found,) = json.loads(capsys.readouterr().out)
    assert found["release"] == "0.1.0"
