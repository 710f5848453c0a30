"""The private machine itself: it leaves nothing behind, and one that cannot start is no silence."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import wait_until
from tests.system.containers.conftest import unavailable
from tests.system.containers.machine import CGROUPS, Machine
from tests.system.containers.prepared import NoEngineError, Prepared
from tests.system.driver import CLONE

START = """
import sys, time
from pathlib import Path
from tests.system.containers.machine import Machine
from tests.system.containers.prepared import prepare
machine = Machine(folder=Path(sys.argv[1]), prepared=prepare())
machine.switch_on()
machine.start()
print("started", flush=True)
time.sleep(600)
"""


def processes_of(folder: Path) -> list[str]:
    """The command lines that name the folder."""
    found = []
    for each in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            command = each.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue
        if f"{folder}/" in command and int(each.parent.name) != os.getpid():
            found.append(command)
    return found


def assert_nothing_is_left(machine: Machine) -> None:
    assert processes_of(machine.folder) == []
    assert str(machine.folder) not in Path("/proc/mounts").read_text()
    assert list(CGROUPS.glob(f"**/{machine.cgroup}")) == []


def places_of_engines() -> list[str]:
    """Where an engine would leave traces, and what is there."""
    tops = (Path("/etc/docker"), Path("/opt"), Path("/run/docker"), Path("/run/containerd"))
    return sorted(str(path) for top in tops if top.is_dir() for path in top.iterdir())


@pytest.fixture
def another_machine(prepared: Prepared, short_tmp: Path) -> Machine:
    return Machine(folder=short_tmp.parent / "m", prepared=prepared)


def test_a_machine_that_was_switched_off_leaves_nothing(another_machine: Machine) -> None:
    before = places_of_engines()
    another_machine.switch_on()
    another_machine.start()
    another_machine.take_base_image()
    run = ("run", "--detach", "--init", "--restart", "always")
    another_machine.docker(*run, another_machine.base_image, "sleep", "600")
    another_machine.throw_away()
    assert_nothing_is_left(another_machine)
    assert places_of_engines() == before


def test_a_machine_whose_tests_are_killed_ends_with_them(another_machine: Machine) -> None:
    command = [sys.executable, "-c", START, str(another_machine.folder)]
    with subprocess.Popen(command, cwd=CLONE, stdout=subprocess.PIPE, text=True) as tests:
        assert tests.stdout is not None
        assert tests.stdout.readline() == "started\n"
        assert processes_of(another_machine.folder)
        os.kill(tests.pid, signal.SIGKILL)
    wait_until(lambda: processes_of(another_machine.folder) == [])


def test_an_engine_that_cannot_start_is_told_with_the_end_of_its_log(
    another_machine: Machine,
) -> None:
    another_machine.options = ("--storage-driver", "no-such-driver")
    another_machine.switch_on()
    try:
        with pytest.raises(NoEngineError, match="no-such-driver"):
            another_machine.start()
    finally:
        another_machine.throw_away()


@pytest.mark.parametrize(
    ("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)]
)
def test_a_missing_engine_fails_where_all_must_run(
    ci: str, outcome: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="no engine here"):
        unavailable(NoEngineError("no engine here"))
