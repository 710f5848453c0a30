"""`bundle rollback`: the release before comes back into use, on the database as it is now."""

from dataclasses import dataclass

from install import locking
from install.errors import UNFIT, InstallError
from install.places import Places
from install.progress import Display
from install.slots import applying, fitting, guardian, recovery, slot, switching
from install.slots import journal as journals
from install.slots.journal import Journal
from install.slots.preparing import disk_watched
from install.slots.program import Program, ProgramError
from install.slots.slot import Slot
from install.slots.switching import Switch

STEP = "Switch back"


class NothingBeforeError(InstallError):
    """No release before this one is kept."""

    code = "nothing_to_roll_back_to"
    exit_code = UNFIT

    def __init__(self) -> None:
        super().__init__("No release before this one is kept here; there is nothing to go back to.")


@dataclass(frozen=True, slots=True, kw_only=True)
class RolledBack:
    """What a rollback came to; a release made from a clone has no name."""

    release: str | None
    before: str | None
    slot: str


def roll_back(places: Places, display: Display) -> RolledBack:
    """Goes back to the slot that was in use before.

    Raises:
        InstallError: the release in use still runs, or runs again.
    """
    lock = locking.take(places)
    with locking.held(places, lock):
        told = recovery.recover(places, lock=lock, say=lambda _line: None)
        if told:
            display.note(told)
        current = slot.whole(places.slot)
        goal, earlier = _before(places)
        if earlier is not None:
            generation = applying.database_generation(places, lock=lock)
            fitting.check_database(earlier.release, earlier.schema_generation, database=generation)
        journal = Journal(places)
        facts = {
            "release": earlier.release if earlier else None,
            "bundle": earlier.bundle if earlier else None,
            "before": current.release if current else None,
        }
        origin = switching.in_use(places)
        number = journal.begin(journals.ROLLBACK, origin=origin, goal=goal, facts=facts)
        change = Switch(
            places=places, journal=journal, number=number, origin=origin, goal=goal, lock=lock
        )
        _switch(change, display)
        _tell(change, display)
    return RolledBack(
        release=earlier.release if earlier else None,
        before=current.release if current else None,
        slot=goal,
    )


def _before(places: Places) -> tuple[str, Slot | None]:
    """The slot that was in use before this one, and its facts."""
    folder = slot.other(places)
    name = str(folder.relative_to(places.home))
    facts = slot.whole(folder)
    # A release that was made there and then refused or put back was never in use.
    if facts is not None and any(
        each.goal == name and each.did(journals.FINISHED) and each.facts["bundle"] == facts.bundle
        for each in Journal(places).attempts()
    ):
        return name, facts
    made_here = places.home / "envs"
    if places.pointer.is_symlink() and (made_here / "services" / "stamp.json").exists():
        return made_here.name, None
    raise NothingBeforeError


def _switch(change: Switch, display: Display) -> None:
    def accept(program: Program) -> None:
        if (program.folder / slot.FACTS).exists():
            program.call(["accept"], module="install.slots.acceptance")

    with (
        guardian.watching(change.program(change.origin or change.goal)),
        display.step(STEP) as step,
    ):

        def say(line: str) -> None:
            step.detail = line

        with disk_watched(change.places):
            change.run(accept, say=say)
        recovery.finish(change.places, change.journal, change.journal.attempts()[-1])
        step.result = change.goal


def _tell(change: Switch, display: Display) -> None:
    facts = change.journal.attempts()[-1].facts
    try:
        applying.tell(change.program(change.goal), "bundle_rolled_back", facts)
    except ProgramError as error:
        display.note(f"The audit log was not told of the rollback: {error.sentence}")
