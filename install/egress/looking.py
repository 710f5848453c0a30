"""Where the ledgers lie: in the home, or in the containers; and what the kernel dropped."""

import json
import os
import stat
from typing import Any

from install.config import Config
from install.egress.ledgers import Found, collect
from install.errors import InstallError
from install.places import Places

# Of a container; its own volume.
INSIDE = "/var/lib/casemate/egress"
# Twice what a service writes into one before it puts it aside.
MOST_BYTES = 2 * 1024 * 1024


def look(places: Places, config: Config) -> Found:
    """All ledgers, also while nothing runs; those of containers that are gone cannot be read."""
    if not config.containers:
        return collect(lambda _service, name: _read(places, name))
    from install.containers import operating

    try:
        _, containers = operating.open_project(places, config)
        known = containers.services()
    except InstallError:
        return collect(lambda _service, _name: None)

    def read(service: str, name: str) -> bytes | None:
        if service not in known:
            return None
        return containers.read_file(known[service], f"{INSIDE}/{name}") or b""

    return collect(read)


def _read(places: Places, name: str) -> bytes | None:
    # Who is watched may put a link there, or what never answers.
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    try:
        handle = os.open(places.egress / name, flags)
    except FileNotFoundError:
        return b""
    except OSError:
        return None
    try:
        found = os.fstat(handle)
        if not stat.S_ISREG(found.st_mode):
            return None
        return os.pread(handle, MOST_BYTES, max(0, found.st_size - MOST_BYTES))
    except OSError:
        return None
    finally:
        os.close(handle)


def kernel_drops(places: Places, config: Config) -> dict[str, Any] | None:
    """The lock of the containers' network and what it dropped; None where there is no such count.

    Processes have none, and systemd's own address filter counts nothing.
    """
    if not config.containers:
        return None
    from install.containers import operating
    from install.containers.project import LOCKDOWN

    try:
        here, _ = operating.open_project(places, config)
        done = here.execute(LOCKDOWN, ["install.lockdown", "show"], "")
        told: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    except (InstallError, ValueError, IndexError):
        return None
    return told
