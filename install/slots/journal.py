"""What was done of each change from one slot to another, so that a cut can be mended."""

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from install.errors import InstallError
from install.places import Places

# In this order; before `switching` nothing that runs is touched.
BEGAN = "began"
VERIFIED = "verified"
FIT = "fit"
PACKAGES = "packages"
ENGINE = "engine"
WEIGHTS = "weights"
SLOT = "slot"
REHEARSED = "rehearsed"
SWITCHING = "switching"
STOPPED = "stopped"
POINTED = "pointed"
STARTED = "started"
ACCEPTED = "accepted"
FINISHED = "finished"
STEPS = (
    BEGAN,
    VERIFIED,
    FIT,
    PACKAGES,
    ENGINE,
    WEIGHTS,
    SLOT,
    REHEARSED,
    SWITCHING,
    STOPPED,
    POINTED,
    STARTED,
    ACCEPTED,
    FINISHED,
)
# How an attempt ends short of its goal: put back, or given up before it touched a thing.
REVERTED = "reverted"
ABANDONED = "abandoned"
ENDS = frozenset({FINISHED, REVERTED, ABANDONED})

APPLY = "apply"
ROLLBACK = "rollback"


class JournalDamagedError(InstallError):
    """The journal holds a line that is none, and that no power cut explains."""

    code = "journal_damaged"

    def __init__(self, path: Path, line: int) -> None:
        super().__init__(
            f"Line {line} of {path} cannot be read; correct it, or move the file away if "
            "`casemate status` says that all is well."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One change: where it came from and led to, and the steps that were done.

    `origin` and `goal` are folders below the home; no origin means that nothing was installed.
    `facts` is what was known when it began, the bundle and its signer above all.
    """

    number: int
    kind: str
    origin: str | None
    goal: str
    facts: dict[str, Any]
    steps: tuple[str, ...]

    @property
    def is_open(self) -> bool:
        """Whether it neither came to its goal nor was put back."""
        return not ENDS & set(self.steps)

    def did(self, step: str) -> bool:
        """Whether that step was done."""
        return step in self.steps


class Journal:
    """The journal of one home; each line is on the disk before the next step begins."""

    def __init__(self, places: Places) -> None:
        self._path = places.slots / "journal.jsonl"
        self._receipts = places.receipts

    def begin(self, kind: str, *, origin: str | None, goal: str, facts: dict[str, Any]) -> int:
        """Notes a new attempt; returns its number."""
        # Receipts outlive a journal; no two changes share a number.
        heads = (path.name.partition("-")[0] for path in self._receipts.glob("*.json"))
        kept = [int(head) for head in heads if head.isdecimal()]
        number = 1 + max((*kept, *(each.number for each in self.attempts())), default=0)
        self.note(number, BEGAN, kind=kind, origin=origin, goal=goal, facts=facts)
        return number

    def note(self, number: int, step: str, **facts: object) -> None:
        """Adds a line."""
        self._path.parent.mkdir(mode=0o755, exist_ok=True)
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"attempt": number, "step": step, "at": now, **facts}) + "\n"
        handle = os.open(self._path, os.O_CREAT | os.O_RDWR | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            _drop_torn_line(handle)
            os.write(handle, line.encode())
            os.fsync(handle)
        finally:
            os.close(handle)

    def attempts(self) -> Sequence[Attempt]:
        """All of them, oldest first.

        Raises:
            JournalDamagedError: a line before the last cannot be read.
        """
        try:
            lines = self._path.read_bytes().split(b"\n")
        except FileNotFoundError:
            return ()
        found: dict[int, Attempt] = {}
        # What follows the last newline was cut while it was written.
        for count, line in enumerate(lines[:-1], start=1):
            try:
                _take_in(found, json.loads(line))
            except (ValueError, KeyError, TypeError) as cause:
                raise JournalDamagedError(self._path, count) from cause
        return tuple(found.values())

    def open_attempt(self) -> Attempt | None:
        """The attempt that was cut, if one was."""
        found = self.attempts()
        return found[-1] if found and found[-1].is_open else None


def _take_in(found: dict[int, Attempt], line: dict[str, Any]) -> None:
    number, step = int(line["attempt"]), str(line["step"])
    before = found.get(number)
    if before is None:
        found[number] = Attempt(
            number=number,
            kind=line["kind"],
            origin=line["origin"],
            goal=line["goal"],
            facts=dict(line["facts"]),
            steps=(step,),
        )
        return
    found[number] = Attempt(
        number=number,
        kind=before.kind,
        origin=before.origin,
        goal=before.goal,
        facts=before.facts,
        steps=(*before.steps, step),
    )


def _drop_torn_line(handle: int) -> None:
    size = os.fstat(handle).st_size
    content = os.pread(handle, size, 0)
    whole = content.rfind(b"\n") + 1
    if whole != size:
        os.ftruncate(handle, whole)
