import os
import signal
import subprocess
import sys
from pathlib import Path

from model_server import guard
from model_server.guard import kill_session, members_of


def test_a_session_is_counted_with_its_leader_and_buried() -> None:
    command = [sys.executable, "-I", "-c", "import time; print(flush=True); time.sleep(600)"]
    with subprocess.Popen(command, start_new_session=True, stdout=subprocess.PIPE) as leader:
        assert leader.stdout is not None
        leader.stdout.readline()
        (only,) = members_of(leader.pid)
        assert (only.pid, only.parent, only.is_dead) == (leader.pid, os.getpid(), False)
        assert kill_session(leader.pid, within_s=10)
        assert leader.wait() == -signal.SIGKILL


def test_a_session_that_is_gone_is_empty() -> None:
    with subprocess.Popen([sys.executable, "-I", "-c", ""], start_new_session=True) as leader:
        leader.wait()
    assert members_of(leader.pid) == []
    assert kill_session(leader.pid, within_s=0)


def test_a_guard_that_leads_no_session_refuses_to_run() -> None:
    program = str(Path(guard.__file__))
    command = [sys.executable, "-I", "-S", program, str(os.getpid()), "1", "--", "true"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "session of its own" in done.stderr
