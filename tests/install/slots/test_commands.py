import json
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from install import locking
from install.bundle import looking, program
from install.places import Places
from install.slots import applying, going_back, receipts
from install.slots.applying import Applied
from install.slots.going_back import RolledBack
from install.slots.journal import Journal
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


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return the_bundle(tmp_path_factory.mktemp("carried") / "x.bundle")


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
    bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started: list[Sequence[str]] = []

    def take_over(_path: str, words: Sequence[str], _environment: object) -> None:
        started.append(words)
        raise SystemExit(0)

    monkeypatch.setattr("os.execve", take_over)
    verified: list[object] = []
    monkeypatch.setattr(looking, "verified", verified.append)
    monkeypatch.setattr(sys, "argv", ["casemate", "bundle", "apply", str(bundle), "--tls"])
    with pytest.raises(SystemExit):
        program.main(["apply", str(bundle), "--tls"], carried=None)
    assert len(verified) == 1
    (words,) = started
    assert words[1:] == [str(bundle), "apply", "--tls"]
    assert Path(words[0]).name == "python3.11"


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
