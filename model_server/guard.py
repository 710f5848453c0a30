"""Stands between the model server and one vLLM: whoever is killed, nothing of vLLM stays behind.

Runs as a program of its own, as the leader of vLLM's session, with the standard library alone and
no package around it (`python -I -S guard.py SECONDS -- COMMAND ...`). The kernel tells it when the
model server dies; then, as on SIGTERM and when the command ends, it ends the whole session. vLLM
alone would not do: its engine process outlives an API process that was killed.
"""

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_AWAITED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
_SESSION_FIELD = 3  # of /proc/PID/stat, counted after the name in brackets
_GONE = ("Z", "X")


def members_of(session: int) -> list[int]:
    """The living processes of a session, its leader included; zombies are not counted."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name may hold spaces and brackets: what counts comes after the last bracket.
            fields = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(fields[_SESSION_FIELD]) == session and fields[0] not in _GONE:
                found.append(int(stat.parent.name))
    return found


def kill_session(session: int, *, within_s: float) -> bool:
    """Kills all of a session but the caller; whether it was empty before the time was over.

    Asks again until nothing is left: a process may be born while the others are counted.
    """
    deadline = time.monotonic() + within_s
    while True:
        left = [pid for pid in members_of(session) if pid != os.getpid()]
        if not left:
            return True
        for pid in left:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)


def die_with_parent(parent: int) -> None:
    """Has the kernel send SIGTERM when the thread that started this process ends."""
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel was told
        os.kill(os.getpid(), signal.SIGTERM)


def guard(command: list[str], *, parent: int, grace_s: float) -> int:
    """Runs `command` until it ends or this process is told to; returns its exit code.

    `grace_s` is what the command gets between SIGTERM and SIGKILL.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, _AWAITED)
    die_with_parent(parent)
    own = os.getpid()

    def prepare() -> None:
        signal.pthread_sigmask(signal.SIG_SETMASK, ())
        die_with_parent(own)

    # This process has one thread, so code between fork and exec is safe here.
    child = subprocess.Popen(command, preexec_fn=prepare)  # noqa: PLW1509, S603
    while child.poll() is None:
        if signal.sigwait(_AWAITED) is not signal.SIGCHLD:
            _end(child, grace_s)
    kill_session(os.getsid(0), within_s=grace_s)
    return child.returncode


def _end(child: subprocess.Popen[bytes], grace_s: float) -> None:
    child.terminate()
    deadline = time.monotonic() + grace_s
    while child.poll() is None and time.monotonic() < deadline:
        signal.sigtimedwait({signal.SIGCHLD}, 0.1)
    if child.poll() is None:
        child.kill()
        child.wait()


def main() -> None:
    """`guard.py PARENT SECONDS -- COMMAND ...`; ends as the command did."""
    parent, grace_s, command = int(sys.argv[1]), float(sys.argv[2]), sys.argv[4:]
    code = guard(command, parent=parent, grace_s=grace_s)
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
