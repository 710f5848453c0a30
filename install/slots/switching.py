"""From the slot in use to another: stop, point, start, accept; or everything back as it was."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from install import keepers
from install.errors import InstallError, InterruptError
from install.places import Places
from install.slots import journal as journals
from install.slots.journal import Attempt, Journal
from install.slots.program import Program, ProgramError

Say = Callable[[str], None]
CONFIG_BEFORE = "config-before.json"


class RevertedError(InstallError):
    """The new release did not come up; what ran before runs again."""

    code = "apply_reverted"

    def __init__(self, cause: str, *, is_running: bool) -> None:
        after = "What ran before runs again." if is_running else "Nothing runs, as before."
        super().__init__(f"{cause}\n{after}")


class NotRevertedError(InstallError):
    """Neither the new release nor the one before came up."""

    code = "revert_failed"

    def __init__(self, cause: str, then: str) -> None:
        super().__init__(
            f"{cause}\nThe release before did not start again either: {then}\n"
            "Put that right, then run `casemate bundle recover`."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """One change of slots under way; `words` are the options of `up` for the new one."""

    places: Places
    journal: Journal
    number: int
    origin: str | None
    goal: str
    lock: int
    words: Sequence[str] = ()

    def program(self, slot: str) -> Program:
        """The program of a slot."""
        return Program(places=self.places, folder=self.places.home / slot, lock=self.lock)

    def run(self, accept: Callable[[Program], object], *, say: Say) -> dict[str, Any]:
        """Does all of it; what the new program's `up` says.

        Raises:
            RevertedError: the new release did not come up; the old one runs again.
            NotRevertedError: that failed too.
            OSError: nothing was touched yet.
        """
        self._keep_config()
        self.journal.note(self.number, journals.SWITCHING)
        try:
            told = self._go(accept, say)
        except (InstallError, InterruptError, OSError) as cause:
            sentence = cause.sentence if isinstance(cause, InstallError) else _said(cause)
            say("putting back what was before")
            self.revert(sentence, say=say)
            raise RevertedError(sentence, is_running=self.origin is not None) from cause
        return told

    def _go(self, accept: Callable[[Program], object], say: Say) -> dict[str, Any]:
        goal = self.program(self.goal)
        say("stopping the release before")
        self._stop(self.origin)
        self.journal.note(self.number, journals.STOPPED)
        point(self.places, self.goal)
        self.journal.note(self.number, journals.POINTED)
        told = goal.up(self.words, say=say)
        self.journal.note(self.number, journals.STARTED)
        say("acceptance test")
        accept(goal)
        self.journal.note(self.number, journals.ACCEPTED)
        return told

    def revert(self, reason: str, *, say: Say) -> None:
        """Points back and starts what was before; leaves the attempt ended.

        Raises:
            NotRevertedError: it does not start.
        """
        try:
            self._stop(self.origin, self.goal)
            self.put_config_back()
            point(self.places, self.origin)
            if self.origin is not None:
                self.program(self.origin).up(say=say)
        except (InstallError, OSError) as cause:
            then = cause.sentence if isinstance(cause, InstallError) else str(cause)
            raise NotRevertedError(reason, then) from cause
        self.journal.note(self.number, journals.REVERTED, reason=reason)

    def _stop(self, *slots: str | None) -> None:
        """Stops what runs, whichever of the slots started it."""
        for slot in slots:
            program = self.program(slot) if slot else None
            if program and program.is_there and self.places.config.exists():
                try:
                    program.down()
                except ProgramError:
                    # A program that fails even at this must not keep the other from starting.
                    continue
        keepers.stop(self.places, stays_down=False)

    def _keep_config(self) -> None:
        # A second name takes no room, and settings are only ever replaced as a whole. One of an
        # earlier change must not be taken for this one's.
        self.places.slots.mkdir(mode=0o755, exist_ok=True)
        self._config_before.unlink(missing_ok=True)
        if self.places.config.exists():
            self._config_before.hardlink_to(self.places.config)
        settle(self.places.slots)

    def put_config_back(self) -> None:
        """Makes the settings those of before the change."""
        if self._config_before.exists():
            draft = self._config_before.with_suffix(".draft")
            draft.unlink(missing_ok=True)
            draft.hardlink_to(self._config_before)
            draft.replace(self.places.config)
            # Where both names were of one file already, the draft is still there.
            draft.unlink(missing_ok=True)
        elif self.origin is None:
            self.places.config.unlink(missing_ok=True)

    @property
    def _config_before(self) -> Path:
        return self.places.slots / CONFIG_BEFORE


def point(places: Places, slot: str | None) -> None:
    """Makes a slot the one in use, in one step; nothing, and what a clone made, need no pointer."""
    if slot is None or not slot.startswith(f"{places.slots.name}/"):
        places.pointer.unlink(missing_ok=True)
        settle(places.home)
        return
    draft = places.pointer.with_name(".slot")
    draft.unlink(missing_ok=True)
    draft.symlink_to(slot)
    draft.replace(places.pointer)
    settle(places.home)


def settle(folder: Path) -> None:
    """Has the names in a folder on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def in_use(places: Places) -> str | None:
    """The slot in use as the journal names it; None when nothing is installed."""
    if not (places.services / "stamp.json").exists():
        return None
    return str(places.slot.relative_to(places.home))


def resumed(places: Places, journal: Journal, attempt: Attempt, *, lock: int) -> Switch:
    """The change that an attempt was about."""
    return Switch(
        places=places,
        journal=journal,
        number=attempt.number,
        origin=attempt.origin,
        goal=attempt.goal,
        lock=lock,
    )


def _said(cause: BaseException) -> str:
    if isinstance(cause, InterruptError):
        return "Interrupted."
    return f"{type(cause).__name__}: {cause}"
