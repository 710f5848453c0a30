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
from typing import NamedTuple

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_AWAITED = {signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD}
_DEAD = frozenset("ZX")


class Member(NamedTuple):
    """One process of a session; `is_dead` while its parent has not asked how it ended."""

    pid: int
    parent: int
    is_dead: bool


def members_of(session: int) -> list[Member]:
    """The processes of a session, its leader included."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            # The name may hold spaces and brackets: what counts comes after the last bracket.
            state, parent, _, of, *_ = stat.read_text(errors="replace").rpartition(")")[2].split()
            if int(of) == session:
                found.append(Member(int(stat.parent.name), int(parent), state in _DEAD))
    return found


def kill_session(session: int, *, within_s: float) -> bool:
    """Kills all of a session but the caller; whether nothing lived before the time was over.

    Asks again until nothing is left: a process may be born while the others are counted. Those that
    the caller has adopted are buried as well; its leader is left to whoever started it.
    """
    deadline = time.monotonic() + within_s
    own = os.getpid()
    while True:
        others = [member for member in members_of(session) if member.pid != own]
        for member in others:
            with contextlib.suppress(ProcessLookupError, ChildProcessError):
                if not member.is_dead:
                    os.kill(member.pid, signal.SIGKILL)
                elif member.parent == own and member.pid != session:
                    os.waitpid(member.pid, os.WNOHANG)
        unburied = [m for m in others if m.pid != session and m.parent == own]
        if not unburied and all(member.is_dead for member in others):
            return True
        if time.monotonic() > deadline:
            return all(member.is_dead for member in others)
        time.sleep(0.02)


def adopt_orphans() -> None:
    """Has the kernel give this process the orphans of its children, so that it can bury them.

    The first process of a container often buries nobody.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1)


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
    adopt_orphans()
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
    if os.getsid(0) != os.getpid():
        # It kills its whole session at the end, and this one belongs to somebody else.
        sys.exit("guard.py must lead a session of its own.")
    code = guard(command, parent=parent, grace_s=grace_s)
    sys.exit(code if code >= 0 else 128 - code)


if __name__ == "__main__":
    main()
