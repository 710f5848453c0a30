"""Makes a backup while everything runs."""

import fcntl
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from install.backup import databases, parts, sealed
from install.backup.errors import BackupDamagedError, BackupError
from install.backup.sealed import read_head
from install.config import Config
from install.places import Places
from install.release import release
from install.slots import slot

SCRATCH = ".backup-"
NAME = re.compile(r"casemate-(?P<box>[0-9a-f]{8})-\d{8}T\d{6}Z\.backup")
MASTER_KEY = "CASEMATE_MASTER_KEY_FILE"
BOX_CHARS = 8
# What the instance's program leaves beside its database when it is killed: whole databases.
CUT = (".snapshot-*", ".restore-*", ".rehearsal-*")
# Younger ones may be at work under another lock than ours, or on another machine.
CUT_AGE = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """A backup that was made; `warnings` say what is not in it."""

    path: Path
    size_bytes: int
    facts: dict[str, Any]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "file": str(self.path),
            "bytes": self.size_bytes,
            **self.facts,
            "warnings": list(self.warnings),
        }


def make(
    places: Places, settings: Config, passphrase: bytes, *, to: Path | None, now: datetime
) -> Made:
    """Makes a backup in the folder `to`, or as that file; all of it or nothing.

    Raises:
        BackupError: the disk is full, or something cannot be read, or is not where it must be.
    """
    to = to or places.backups
    try:
        if MASTER_KEY not in settings.handed_on:
            parts.check_key(places, containers=settings.containers)
        with alone(places), _scratch(places, settings, now=now) as folder:
            snapshot = folder / "snapshot.db"
            found = databases.snapshot(places, settings, snapshot)
            facts = _facts(places, settings, found, now=now)
            box = (found.instance_id or "0" * BOX_CHARS).replace("-", "")[:BOX_CHARS]
            path = _target(to, box, now=now)
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            _sweep(path.parent, f".casemate-{box}-*.backup.part", now=now)
            sealed.write_whole(
                path,
                passphrase,
                facts={"made_at": facts["made_at"], "release": facts["release"]},
                fill=lambda writer: parts.pack(writer, places, facts=facts, snapshot=snapshot),
            )
        size = path.stat().st_size
    except OSError as cause:
        where = cause.filename or to
        sentence = f"The backup could not be made: {where}: {cause.strerror or cause}."
        raise BackupError(sentence) from cause
    facts_of_file = {"file": path.name, "bytes": size}
    databases.record(places, settings, "backup_made", facts=facts_of_file)
    return Made(path=path, size_bytes=size, facts=facts, warnings=_warnings(settings))


def _facts(
    places: Places, settings: Config, found: databases.Facts, *, now: datetime
) -> dict[str, Any]:
    installed = slot.current(places)
    return {
        "made_at": now.isoformat(timespec="seconds"),
        "release": release(),
        "instance_id": found.instance_id,
        "generation": found.generation,
        "containers": settings.containers,
        # Programs and weights are in the bundle, not here.
        "bundle": installed.bundle if installed else None,
        "models": [each.ref for each in installed.models] if installed else [],
    }


def _warnings(settings: Config) -> tuple[str, ...]:
    key = settings.handed_on.get(MASTER_KEY)
    if key is None:
        return ()
    return (f"The master key {key} lies outside of the home and is not in it: keep it elsewhere.",)


def _target(to: Path, box: str, *, now: datetime) -> Path:
    is_folder = to.is_dir() or not to.suffix
    return to / f"casemate-{box}-{now:%Y%m%dT%H%M%SZ}.backup" if is_folder else to.absolute()


@contextmanager
def alone(places: Places) -> Iterator[None]:
    """Keeps every other backup, trial and restore of this home out for a block.

    Raises:
        BackupError: one is under way, or the lock cannot be opened.
    """
    path = places.home / "backup.lock"
    try:
        handle = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    except OSError as cause:
        sentence = f"{path} cannot be opened: {cause.strerror}."
        raise BackupError(sentence) from cause
    try:
        _lock(handle)
        yield
    finally:
        os.close(handle)


def _lock(handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as cause:
        sentence = (
            "Another backup of this appliance is being made, tried or restored right now; wait "
            "until it is done."
        )
        raise BackupError(sentence) from cause


@contextmanager
def _scratch(places: Places, settings: Config, *, now: datetime) -> Iterator[Path]:
    # What one that was killed left, and a trial too: both hold the lock.
    if settings.containers and places.trial.exists():
        from install.containers import operating

        operating.forget_trial(places)
    for left in places.home.glob(f"{SCRATCH}*"):
        shutil.rmtree(left, ignore_errors=True)
    for pattern in CUT:
        _sweep(places.home / "instance", pattern, now=now)
    with tempfile.TemporaryDirectory(dir=places.home, prefix=SCRATCH) as folder:
        yield Path(folder)


def _sweep(folder: Path, pattern: str, *, now: datetime) -> None:
    for left in folder.glob(pattern):
        # One that is gone by now, or is not ours to remove, is no reason to make no backup.
        with suppress(OSError):
            if now.timestamp() - left.stat().st_mtime < CUT_AGE.total_seconds():
                continue
            if left.is_dir():
                shutil.rmtree(left)
            else:
                left.unlink()


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """A backup as its file shows it to everybody."""

    path: Path
    size_bytes: int
    made_at: str
    release: str

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "file": str(self.path),
            "bytes": self.size_bytes,
            "made_at": self.made_at,
            "release": self.release,
        }


def listed(folder: Path) -> Sequence[Listed]:
    """The backups in a folder, newest first; other files are left out."""
    found = []
    for path in folder.glob("*.backup"):
        try:
            facts = read_head(path).facts
            size = path.stat().st_size
        except (BackupDamagedError, OSError):
            continue
        made_at, made_by = str(facts.get("made_at", "")), str(facts.get("release", ""))
        found.append(Listed(path=path, size_bytes=size, made_at=made_at, release=made_by))
    return sorted(found, key=lambda each: each.made_at, reverse=True)


def prune(folder: Path, *, like: Path, keep: int) -> tuple[Path, ...]:
    """Removes all but the newest `keep` backups of the box that made `like`; returns what went.

    `like` was made just now: those that say they are newer are of a clock that ran ahead, and count
    as the oldest.
    """
    own = NAME.fullmatch(like.name)
    if own is None:
        return ()
    mine = [
        each
        for each in listed(folder)
        if (name := NAME.fullmatch(each.path.name)) and name["box"] == own["box"]
    ]
    made_at = next((each.made_at for each in mine if each.path == like), "")
    mine.sort(key=lambda each: (each.made_at <= made_at, each.made_at), reverse=True)
    gone = tuple(each.path for each in mine[keep:] if each.path != like)
    for path in gone:
        path.unlink(missing_ok=True)
    return gone
