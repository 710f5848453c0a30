"""Stops the supervisor and everything it started, and whatever an earlier one left behind."""

import contextlib
import os
import signal
import time
from pathlib import Path

from install import processes
from install.places import Places
from install.processes import Process

# The services have eight seconds to end; the supervisor looks once a second.
SUPERVISOR_PATIENCE_S = 9.0
STRAY_PATIENCE_S = 2.0


def config_file(places: Places) -> Path:
    """What the supervisor is started with, and known by."""
    return places.run / "supervisord.conf"


def pid_file(places: Places) -> Path:
    """Written by the supervisor before it starts anything."""
    return places.run / "supervisord.pid"


def started_file(places: Places) -> Path:
    """What each service was last started from; there from `up` to `down`."""
    return places.run / "started.json"


def find_supervisor(places: Places) -> Process | None:
    """The running supervisor of this home; a file left by one that was killed does not fool it."""
    try:
        pid = int(pid_file(places).read_text("ascii"))
        command = (processes.PROC / str(pid) / "cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return processes.read(pid) if bytes(config_file(places)) in command.split(b"\0") else None


def stop_everything(places: Places) -> int:
    """Ends all services, open streams included; returns how many processes ran. Within 12 s."""
    supervisor = find_supervisor(places)
    members = processes.descendants(supervisor.pid) if supervisor else []
    if supervisor:
        os.kill(supervisor.pid, signal.SIGTERM)
        until = time.monotonic() + SUPERVISOR_PATIENCE_S
        while processes.is_alive(supervisor) and time.monotonic() < until:
            time.sleep(processes.POLL_S)
    strays = {each.pid: each for each in (*members, *processes.services_of(places.home))}
    stopped = processes.stop(strays.values(), STRAY_PATIENCE_S)
    for path in (started_file(places), pid_file(places), places.socket):
        path.unlink(missing_ok=True)
    # Not there, or not empty: both leave nothing to do.
    with contextlib.suppress(OSError):
        places.socket_folder.rmdir()
    return max(len(members), stopped)
