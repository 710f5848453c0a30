import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from install import leash, processes

LEASH = [sys.executable, "-m", "install.leash"]
# A parent that starts a leashed child, tells its number and waits.
PARENT = """
import subprocess, sys
child = subprocess.Popen(sys.argv[1:], stdout=subprocess.PIPE, text=True)
print(child.stdout.readline().strip(), flush=True)
child.wait()
"""
CHILD = "import os, signal; print(os.getpid(), flush=True); signal.pause()"


def test_a_leashed_process_ends_when_its_parent_is_killed() -> None:
    command = [sys.executable, "-c", PARENT, *LEASH, "--", sys.executable, "-c", CHILD]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout
        child = processes.read(int(parent.stdout.readline()))
        assert child
        parent.kill()
    until = time.monotonic() + 30
    while processes.is_alive(child):
        assert time.monotonic() < until
        time.sleep(0.01)


def test_the_environment_comes_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "service.json"
    path.write_text(json.dumps({"CASEMATE_COLOUR": "blue"}))
    show = "import os; print(os.environ['CASEMATE_COLOUR'])"
    command = [*LEASH, "--environment", str(path), "--", sys.executable, "-c", show]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "blue\n"


def test_a_leash_whose_parent_is_not_the_supervisor_starts_nothing(tmp_path: Path) -> None:
    path = tmp_path / "supervisord.pid"
    path.write_text("1\n")
    command = [*LEASH, "--parent", str(path), "--", sys.executable, "-c", "print('ran')"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")


def test_the_supervisor_is_known_by_its_file(tmp_path: Path) -> None:
    path = tmp_path / "supervisord.pid"
    path.write_text(f"{os.getppid()}\n")
    assert not leash.parent_is_gone(os.getppid(), path)
    assert not leash.parent_is_gone(os.getppid(), None)
    assert leash.parent_is_gone(os.getppid() + 1, path)
    assert leash.parent_is_gone(os.getppid(), tmp_path / "missing")


def test_without_a_command_the_usage_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert leash.main([]) == 2
    assert "usage" in capsys.readouterr().err


def test_the_command_takes_the_leashs_place(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    path = tmp_path / "service.json"
    path.write_text(json.dumps({"A": "1"}))
    ran: list[tuple[str, list[str], dict[str, str]]] = []
    monkeypatch.setattr(leash, "die_with_parent", lambda: None)
    monkeypatch.setattr(os, "execve", lambda *call: ran.append(call))
    leash.main(["--environment", str(path), "--", "/bin/true", "x"])
    assert ran[0][:2] == ("/bin/true", ["/bin/true", "x"])
    assert ran[0][2]["A"] == "1"


def test_a_refusal_of_the_kernel_is_an_error() -> None:
    with pytest.raises(OSError, match="Invalid argument"):
        leash.die_with_parent(signal.NSIG + 1000)
