import io
import os
import subprocess
import sys
from collections.abc import Callable

import pytest

from install import locking
from install.errors import AlreadyWorkingError, InstallError, InterruptError
from install.places import Places
from install.slots import guardian, switching
from install.slots import journal as journals
from install.slots.journal import Journal
from install.slots.program import Program
from tests.conftest import wait_until
from tests.install.slots.conftest import the_pointer

Calls = Callable[[], list[str]]


def cut_change(places: Places) -> None:
    journal = Journal(places)
    number = journal.begin("apply", origin="slots/a", goal="slots/b", facts={})
    journal.note(number, journals.SWITCHING)
    switching.point(places, "slots/b")


def hear(monkeypatch: pytest.MonkeyPatch, said: bytes) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(said)))


def test_after_the_word_nothing_is_mended(
    two_slots: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    cut_change(two_slots)
    hear(monkeypatch, guardian.DONE)
    assert guardian.main() == 0
    assert str(the_pointer(two_slots)) == "slots/b"


def test_without_the_word_the_change_is_mended(
    two_slots: Places, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    cut_change(two_slots)
    hear(monkeypatch, b"")
    assert guardian.main() == 0
    assert str(the_pointer(two_slots)) == "slots/a"
    assert "what was before is in use again" in capsys.readouterr().out


def test_a_home_that_cannot_be_mended_is_said(
    two_slots: Places,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    wish_for: Callable[[dict[str, object]], None],
) -> None:
    cut_change(two_slots)
    wish_for({"a install.cli up": {"fail": "model_failed"}})
    hear(monkeypatch, b"")
    assert guardian.main() == 1
    assert "bundle recover" in capsys.readouterr().out


def test_it_waits_for_whoever_holds_the_lock(two_slots: Places) -> None:
    cut_change(two_slots)
    handle = locking.take(two_slots)
    waits = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            os.close(handle)

    assert guardian.guard(two_slots, sleep=sleep) is not None
    assert len(waits) == 3


def test_it_does_not_wait_for_ever(two_slots: Places) -> None:
    handle = locking.take(two_slots)
    with pytest.raises(AlreadyWorkingError):
        guardian.guard(two_slots, patience_s=-1.0)
    os.close(handle)


KILLED = """
import os, pathlib, signal
from install.places import Places
from install.slots import guardian
from install.slots.program import Program
places = Places(home=pathlib.Path({home!r}), uid=os.geteuid())
with guardian.watching(Program(places=places, folder=places.slots / "a", lock=0)):
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_guardian_outlives_the_process_it_watches(two_slots: Places, calls: Calls) -> None:
    cut_change(two_slots)
    words = [sys.executable, "-c", KILLED.format(home=str(two_slots.home))]
    done = subprocess.run(words, check=False)
    assert done.returncode == -9
    wait_until(lambda: "a install.slots.guardian" in calls())


def test_a_guardian_ends_with_what_it_watched(two_slots: Places, calls: Calls) -> None:
    program = Program(places=two_slots, folder=two_slots.slots / "a", lock=0)
    with guardian.watching(program):
        pass
    assert calls() == ["a install.slots.guardian"]


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (InstallError("It was put back."), "done\\n"),
        (InterruptError(), ""),
        (OSError(5, "disk"), ""),
    ],
)
def test_only_what_nobody_answers_for_is_the_guardians(
    two_slots: Places, cause: BaseException, said: str
) -> None:
    program = Program(places=two_slots, folder=two_slots.slots / "a", lock=0)
    with pytest.raises(type(cause)), guardian.watching(program):
        raise cause
    log = two_slots.logs / guardian.LOG
    wait_until(lambda: f'{{"stdin": "{said}"}}' in log.read_text())
