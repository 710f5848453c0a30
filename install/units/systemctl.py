"""systemd as its own programs show it."""

import re
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from install.errors import InstallError

# A stop waits for the services to end; a start waits until they are executed.
TIMEOUT_S = 120.0
PROPERTIES = "Id,LoadState,ActiveState,SubState,MainPID,ActiveEnterTimestampMonotonic"


class SystemdError(InstallError):
    """systemd did not do what it was asked to."""

    code = "systemd_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Unit:
    """One unit as systemd sees it; `since` is in seconds since the epoch, 0 while it is down."""

    name: str
    active: str
    sub: str
    pid: int
    since: int

    @property
    def is_up(self) -> bool:
        """Whether it runs, or is about to."""
        return self.active in {"active", "activating", "reloading"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Systemd:
    """What speaks to systemd; `program` is `systemctl`."""

    program: str = "systemctl"

    def do(self, *words: str) -> str:
        """Runs `systemctl WORDS`; returns what it printed.

        Raises:
            SystemdError: it failed, is not there or does not end.
        """
        try:
            done = subprocess.run(
                [self.program, "--no-pager", "--no-ask-password", *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                check=False,
                timeout=TIMEOUT_S,
            )
        except (OSError, subprocess.TimeoutExpired) as cause:
            sentence = f"`systemctl {words[0]}` did not come to an end: {type(cause).__name__}."
            raise SystemdError(sentence) from cause
        if done.returncode != 0:
            said = " ".join((done.stderr or done.stdout).split())[-500:]
            sentence = f"`systemctl {' '.join(words)}` failed: {said or done.returncode}"
            raise SystemdError(sentence)
        return done.stdout

    def look(self, names: Sequence[str]) -> dict[str, Unit]:
        """The units of these names that systemd knows.

        Raises:
            SystemdError: it does not answer.
        """
        return parse(self.do("show", f"--property={PROPERTIES}", *names), booted=booted_at())

    def version(self) -> int:
        """Its version's first number; 0 where it cannot be told.

        Raises:
            SystemdError: there is no systemctl.
        """
        found = re.match(r"systemd (\d+)", self.do("--version"))
        return int(found[1]) if found else 0


def parse(text: str, *, booted: float) -> dict[str, Unit]:
    """The units in what `systemctl show` prints; `booted` is when its clock began (epoch)."""
    found = {}
    for block in text.strip().split("\n\n"):
        facts = dict(line.partition("=")[::2] for line in block.splitlines())
        if facts.get("LoadState") in {None, "not-found"}:
            continue
        entered = int(facts.get("ActiveEnterTimestampMonotonic") or 0) / 1e6
        is_active = facts.get("ActiveState") == "active"
        found[facts["Id"]] = Unit(
            name=facts["Id"],
            active=facts.get("ActiveState", ""),
            sub=facts.get("SubState", ""),
            pid=int(facts.get("MainPID") or 0),
            since=int(booted + entered) if is_active else 0,
        )
    return found


def booted_at() -> float:
    """When the clock began by which systemd tells times, in seconds since the epoch."""
    return time.time() - time.clock_gettime(time.CLOCK_MONOTONIC)


def is_booted() -> bool:
    """Whether the first process of this machine is systemd."""
    return Path("/run/systemd/system").is_dir()
