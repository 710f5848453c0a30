"""What runs, in a supervisor's words, and what `up` leaves to the next one."""

import json
from collections.abc import Mapping
from dataclasses import dataclass

from install import processes, stopping
from install.config import write_private
from install.places import Places


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One service: a supervisor's word for its state, and since when (epoch)."""

    state: str
    pid: int
    since: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """What bringing the services up came to."""

    restarted: tuple[str, ...]
    was_running: bool
    strays: int


def started(places: Places) -> dict[str, dict[str, str]]:
    """What `up` left: `fingerprints` by service, and the `boot` it was in; empty after `down`."""
    try:
        found: dict[str, dict[str, str]] = json.loads(
            stopping.started_file(places).read_text("utf-8")
        )
    except (OSError, ValueError):
        return {}
    return found


def remember(places: Places, fingerprints: Mapping[str, str]) -> None:
    """Notes what each service was started from, for `started`."""
    content = {"fingerprints": dict(fingerprints), "boot": {"id": processes.boot_id()}}
    write_private(stopping.started_file(places), json.dumps(content))
