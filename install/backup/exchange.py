"""The home's files exchanged for restored ones by renames, each of which can be taken back.

`state.json` says how far it went, so that what a kill or a power cut left is put back, whenever
somebody looks next.
"""

import json
import os
import shutil
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from install.config import write_private
from install.errors import InstallError
from install.places import Places

FOLDER = "restore"
STATE = "state.json"
UNPACKED = "unpacked"
NEW = f"{UNPACKED}/files"
BEFORE = "before"
BEFORE_DATABASE = "before.db"
# In this order; from `placed` on the restored home is whole.
MOVING = "moving"
MOVED = "moved"
PLACED = "placed"
# Where a test may end the process.
Pass = Callable[[str], None]


class RestoreUndecidedError(InstallError):
    """What a cut restore left cannot be put back."""

    code = "restore_undecided"

    def __init__(self, folder: Path, cause: str) -> None:
        super().__init__(
            f"A restore was cut, and what was before cannot be put back: {cause} Its files are in "
            f"{folder / BEFORE}; put that right, then run the command again."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """How far a restore went; `items` are exchanged, those of `absent` were not there before."""

    step: str
    items: tuple[str, ...]
    absent: tuple[str, ...]


def folder_of(places: Places) -> Path:
    """Where a restore works; there only while one is under way, or was cut."""
    return places.home / FOLDER


def read(places: Places) -> State | None:
    """How far a cut restore went; None when none was, or it touched nothing yet."""
    try:
        found = json.loads((folder_of(places) / STATE).read_text("utf-8"))
        return State(step=found["step"], items=tuple(found["items"]), absent=tuple(found["absent"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as cause:
        raise RestoreUndecidedError(folder_of(places), "its state cannot be read.") from cause


def _write(places: Places, state: State) -> None:
    path = folder_of(places) / STATE
    write_private(path, json.dumps(asdict(state)))
    for each in (path, path.parent):
        _sync(each)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def begin(places: Places, items: Sequence[str], *, passed: Pass) -> State:
    """Moves the home's files away and the restored ones into their places, one after the other."""
    work = folder_of(places)
    there = tuple(each for each in items if (work / NEW / each).exists())
    absent = tuple(each for each in there if not (places.home / each).exists())
    state = State(step=MOVING, items=there, absent=absent)
    _write(places, state)
    passed(MOVING)
    for item in there:
        if item not in absent:
            _move(places.home / item, work / BEFORE / item)
            passed(f"{item} away")
        _move(work / NEW / item, places.home / item)
        passed(f"{item} here")
    return advance(places, state, MOVED, passed=passed)


def advance(places: Places, state: State, step: str, *, passed: Pass) -> State:
    """Notes the next step."""
    reached = State(step=step, items=state.items, absent=state.absent)
    _write(places, reached)
    passed(step)
    return reached


def _move(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    source.rename(target)
    for each in (source.parent, target.parent):
        _sync(each)


def put_back(places: Places, state: State) -> None:
    """Puts the files back that were there; doing it again changes nothing."""
    work = folder_of(places)
    for item in state.items:
        here, before, new = places.home / item, work / BEFORE / item, work / NEW / item
        if before.exists():
            _remove(here)
            _move(before, here)
        elif item in state.absent and not new.exists():
            _remove(here)


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def forget(places: Places) -> None:
    """Ends a restore, whichever way it went."""
    work = folder_of(places)
    # First of all, so that what is half removed is never taken for something to put back.
    (work / STATE).unlink(missing_ok=True)
    shutil.rmtree(work, ignore_errors=True)
