"""What runs on this machine that belongs to one home, as the kernel tells it under /proc."""

import os
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
RUN_MARK = "CASEMATE_RUN"
POLL_S = 0.05
# Where a home keeps the model server's libraries: made from a clone, or brought by a bundle.
MODEL_LIBRARIES = ("envs/model-server/", "packages/model-server-")


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process; `started`, in ticks since boot, tells it from a later one of its number."""

    pid: int
    parent: int
    started: int


def read(pid: int) -> Process | None:
    """The process of this number; None when there is none, or only a zombie."""
    try:
        text = (PROC / str(pid) / "stat").read_text("utf-8", errors="replace")
    except OSError:
        return None
    # The name stands in brackets and may hold anything, brackets too.
    rest = text[text.rindex(")") + 2 :].split()
    if rest[0] in {"Z", "X"}:
        return None
    return Process(pid=pid, parent=int(rest[1]), started=int(rest[19]))


def all_processes() -> list[Process]:
    """Every process of this machine that is not a zombie."""
    found = (read(int(entry)) for entry in os.listdir(PROC) if entry.isdigit())  # noqa: PTH208
    return [process for process in found if process]


def is_alive(process: Process) -> bool:
    """Whether this very process still runs."""
    now = read(process.pid)
    return now is not None and now.started == process.started


def descendants(pid: int) -> list[Process]:
    """The process and everything below it."""
    processes = all_processes()
    found = [process for process in processes if process.pid == pid]
    members = {pid}
    while True:
        more = [each for each in processes if each.parent in members and each.pid not in members]
        if not more:
            return found
        found += more
        members |= {each.pid for each in more}


def is_service_of(pid: int, home: Path) -> bool:
    """Whether a process was started as, or below, a service of the appliance at `home`.

    Told by the mark that services hand down, and by the model environment's libraries, because a
    process that gives itself a title overwrites its environment. A person's own `casemate` has
    neither.
    """
    try:
        environment = (PROC / str(pid) / "environ").read_bytes().split(b"\0")
        if f"{RUN_MARK}={home}".encode() in environment:
            return True
        maps = (PROC / str(pid) / "maps").read_bytes()
    except OSError:
        return False
    return any(f" {home}/{place}".encode() in maps for place in MODEL_LIBRARIES)


def is_below_service_of(pid: int, home: Path) -> bool:
    """Whether a process, or one that it descends from, is a service of the appliance at `home`.

    For one that was started with a bare environment and has not loaded anything of the home.
    """
    while pid > 1:
        if is_service_of(pid, home):
            return True
        found = read(pid)
        pid = found.parent if found else 0
    return False


def services_of(home: Path) -> list[Process]:
    """Every process of the appliance at `home` that a supervisor started."""
    return [process for process in all_processes() if is_service_of(process.pid, home)]


def own_line() -> set[int]:
    """This process and all it descends from, down to the first: what it must never end."""
    line = {1}
    pid = os.getpid()
    while pid not in line and pid > 0:
        line.add(pid)
        found = read(pid)
        pid = found.parent if found else 0
    return line


def stop(
    processes: Iterable[Process],
    patience_s: float,
    *,
    sleep: Callable[[float], None] = time.sleep,
) -> int:
    """Asks processes to end, kills those that have not after `patience_s`; returns how many ran."""
    spared = own_line()
    running = [each for each in processes if each.pid not in spared and is_alive(each)]
    count = len(running)
    for number in (signal.SIGTERM, signal.SIGKILL):
        for process in running:
            _send(process, number)
        until = time.monotonic() + patience_s
        while running and time.monotonic() < until:
            sleep(POLL_S)
            running = [process for process in running if is_alive(process)]
    return count


def _send(process: Process, number: signal.Signals) -> None:
    if is_alive(process):
        try:
            os.kill(process.pid, number)
        except (ProcessLookupError, PermissionError):
            return


def listeners(port: int) -> list[int]:
    """The processes that listen on a TCP port, as far as this user may see."""
    sockets = {f"socket:[{inode}]" for inode in _listening_inodes(port)}
    if not sockets:
        return []
    return [process.pid for process in all_processes() if _holds(process.pid, sockets)]


def _listening_inodes(port: int) -> set[str]:
    inodes = set()
    for table in ("tcp", "tcp6"):
        try:
            lines = (PROC / "net" / table).read_text("ascii").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            columns = line.split()
            # 0A is TCP_LISTEN.
            if columns[3] == "0A" and int(columns[1].rpartition(":")[2], 16) == port:
                inodes.add(columns[9])
    return inodes


def _holds(pid: int, sockets: set[str]) -> bool:
    try:
        links = list((PROC / str(pid) / "fd").iterdir())
    except OSError:
        return False
    for link in links:
        try:
            if str(link.readlink()) in sockets:
                return True
        except OSError:
            continue
    return False


def boot_id() -> str:
    """Names this boot of the machine."""
    return (PROC / "sys" / "kernel" / "random" / "boot_id").read_text("ascii").strip()
