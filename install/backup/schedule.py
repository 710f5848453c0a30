"""Backups by the clock: how often, where to, how many are kept."""

import json
import re
from dataclasses import asdict, dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Protocol

from install import config
from install.backup import making, passphrases
from install.backup.making import Made
from install.config import Config, write_private
from install.errors import InstallError, SettingError
from install.places import Places

UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
LEAST = timedelta(minutes=5)
# A backup that fails is tried again after this, or after its own time if that is shorter.
RETRY = timedelta(hours=1)
# What a line of `look` begins with when there should be a backup and is none.
NOT_MADE = "no backup made"


class Make(Protocol):
    """Makes one backup as it was told."""

    def __call__(
        self, places: Places, settings: Config, told: "Schedule", *, now: datetime
    ) -> Made:
        """What was made."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """What is to be done; `tried_at` is when it was done last, well or not, `failed` why not."""

    every_s: int
    keep: int
    to: str
    passphrase_file: str
    tried_at: str | None = None
    failed: str | None = None


@dataclass(slots=True, kw_only=True)
class Unwritten:
    """The last try, where it could not be written down, as on a full disk; `failed` why not."""

    tried_at: str | None = None
    failed: str | None = None


def every(text: str) -> timedelta:
    """A time such as 24h, 90m or 7d.

    Raises:
        SettingError: it is none, or too short.
    """
    found = re.fullmatch(r"([1-9][0-9]{0,3})([mhd])", text)
    span = int(found[1]) * UNITS[found[2]] if found else timedelta()
    if span < LEAST:
        sentence = f"--every takes a time such as 24h, 90m or 7d, from 5m on, not {text!r}."
        raise SettingError(sentence)
    return span


def read(places: Places) -> Schedule | None:
    """What was told; None when nothing is to be done by the clock.

    Raises:
        SettingError: it cannot be read.
    """
    path = places.backup_schedule
    try:
        return Schedule(**json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as cause:
        sentence = f"{path} cannot be read; `casemate backup schedule` writes it anew."
        raise SettingError(sentence) from cause


def write(places: Places, told: Schedule) -> None:
    """Remembers it."""
    write_private(places.backup_schedule, json.dumps(asdict(told), indent=2) + "\n")


def switch_off(places: Places) -> bool:
    """Forgets it; tells whether there was something."""
    path = places.backup_schedule
    was_there = path.exists()
    path.unlink(missing_ok=True)
    return was_there


def due_at(told: Schedule) -> datetime | None:
    """When the next backup is due; None for at once."""
    if told.tried_at is None:
        return None
    span = timedelta(seconds=told.every_s)
    return datetime.fromisoformat(told.tried_at) + (min(span, RETRY) if told.failed else span)


def _make(places: Places, settings: Config, told: Schedule, *, now: datetime) -> Made:
    passphrase = passphrases.from_file(Path(told.passphrase_file))
    folder = Path(told.to)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return making.make(places, settings, passphrase, to=folder, now=now)


def look(
    places: Places, *, now: datetime, unwritten: Unwritten | None = None, make: Make = _make
) -> str:
    """Makes the backup that is due; returns a line for the log, empty when none was.

    `unwritten` is handed in again by who looks again and again.
    """
    unwritten = unwritten or Unwritten()
    try:
        told = read(places)
        settings = config.load(places.config)
        if told is None or settings is None:
            return ""
        if unwritten.tried_at is not None:
            told = replace(told, tried_at=unwritten.tried_at, failed=unwritten.failed)
        due = due_at(told)
        # A clock that was set back must not keep it waiting for longer than its own time.
        is_ahead = due is not None and due - now > timedelta(seconds=told.every_s)
        if due is not None and now < due and not is_ahead:
            return ""
    except (InstallError, OSError, ValueError) as error:
        return f"{NOT_MADE}: {error}"
    line, failed = _do(places, settings, told, now=now, make=make)
    tried_at = now.isoformat(timespec="seconds")
    unwritten.tried_at = None
    try:
        # What was told meanwhile counts.
        current = read(places)
        if current is not None:
            write(places, replace(current, tried_at=tried_at, failed=failed))
    except (InstallError, OSError) as error:
        unwritten.tried_at, unwritten.failed = tried_at, failed
        line = f"{line}; that could not be written down: {error}"
    return line


def _do(
    places: Places, settings: Config, told: Schedule, *, now: datetime, make: Make
) -> tuple[str, str | None]:
    try:
        made = make(places, settings, told, now=now)
        gone = making.prune(made.path.parent, like=made.path, keep=told.keep)
    except (InstallError, OSError) as error:
        return f"{NOT_MADE}: {error}", str(error)
    said = f"backup made: {made.path}, {made.size_bytes} bytes; {len(gone)} older removed"
    return said, None
