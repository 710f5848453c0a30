"""`bundle apply`: from one verified file to a running release, or back to what ran before."""

import json
import os
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from install import config, locking, preflight
from install.bundle import opened, verifying
from install.bundle.opened import Bundle, OnBytes
from install.bundle.verifying import Asks, Verified
from install.config import Config
from install.errors import InstallError, UnfitMachineError
from install.options import UpOptions
from install.places import Places, make_folders
from install.preflight import bundle as fit
from install.progress import Bytes, Display, Step, size
from install.slots import fitting, guardian, making, preparing, recovery, slot, switching
from install.slots import journal as journals
from install.slots.journal import Journal
from install.slots.preparing import Preparing, disk_watched
from install.slots.program import Program, ProgramError
from install.slots.slot import Slot, SlotDamagedError
from install.slots.switching import Switch
from install.tls import checking
from install.units import machine

VERIFY = "Verify the bundle"
CHECK = "Check this machine"
SWITCH = "Switch over"
RECEIPT = "Receipt"
STEPS = (VERIFY, CHECK, *preparing.STEPS, SWITCH, RECEIPT)
# Says what an unsigned bundle was let in for; the words are in the README alone.
UNSIGNED = "unsigned_bundle_allowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """What an apply came to."""

    release: str
    bundle: str
    slot: str
    before: str | None
    was_there: bool
    seconds: float
    acceptance: dict[str, Any]
    notes: tuple[str, ...]


@dataclass(slots=True, kw_only=True)
class Applying:
    """One apply; `words` are the options of `up`, `options` the same when read."""

    places: Places
    path: Path
    words: Sequence[str]
    options: UpOptions
    asks: Asks
    display: Display
    notes: list[str] = field(default_factory=list)

    def run(self) -> Applied:
        """Does all of it.

        Raises:
            InstallError: what ran before still runs, or runs again; NotRevertedError alone says
                that it does not.
        """
        began = time.time()
        with ExitStack() as stack:
            bundle = stack.enter_context(opened.opened(self.path))
            verified = self._verify(bundle)
            settings = self._settings()
            make_folders(self.places)
            lock = locking.take(self.places)
            stack.enter_context(locking.held(self.places, lock))
            self._mend(lock)
            current = slot.whole(self.places.slot)
            fitting.check_release(bundle.manifest, current)
            device = self._device(bundle, settings)
            if current is not None and current.bundle == verified.bundle:
                try:
                    return self._as_it_was(current, lock, began=began)
                except ProgramError as error:
                    if error.code != SlotDamagedError.code:
                        raise
                    self._note("The slot in use is damaged; the release is installed anew beside.")
            self._check(bundle, settings, device=device, lock=lock)
            change = self._begin(bundle, verified, lock)
            Preparing(
                places=self.places,
                bundle=bundle,
                change=change,
                settings=settings,
                device=device,
                display=self.display,
            ).run()
            told = self._switch(change, is_unsigned=verified.is_unsigned)
        return self._applied(change, bundle, told, began=began)

    def _verify(self, bundle: Bundle) -> Verified:
        with self.display.step(VERIFY) as step:
            verified = verifying.verify(
                self.path,
                trust=self.places.trust,
                now=datetime.now(UTC),
                asks=self.asks,
                on_bytes=read_of(bundle, step),
            )
            if bundle.digest != verified.bundle:
                sentence = "The bundle changed while it was read; carry it in again."
                raise InstallError(sentence)
            step.result = f"{bundle.manifest.release}, {size(bundle.total_bytes)}, every chunk"
        return verified

    def _settings(self) -> Config:
        before = config.load(self.places.config)
        settings = checking.settle(config.resolve(self.options.flags, os.environ, before))
        preflight.check_kind(self.places, settings)
        return settings

    def _mend(self, lock: int) -> None:
        told = recovery.recover(self.places, lock=lock, say=lambda _line: None)
        if told:
            self._note(told)

    def _device(self, bundle: Bundle, settings: Config) -> str:
        wanted = preflight.find_device(settings.device)
        if settings.containers:
            return wanted
        return fitting.device_for(bundle.manifest, wanted)

    def _check(self, bundle: Bundle, settings: Config, *, device: str, lock: int) -> None:
        with self.display.step(CHECK) as step:
            machine.check(self.places, settings)
            found = fit.check(self.places, settings, bundle.manifest, device=device)
            if found.problems:
                raise UnfitMachineError(found.problems)
            generation = database_generation(self.places, lock=lock)
            fitting.check_database(
                bundle.manifest.release,
                bundle.manifest.schema_generation,
                database=generation,
            )
            step.result = f"{device}, {len(found.warnings)} warnings"
        for line in found.warnings:
            self._note(line)

    def _begin(self, bundle: Bundle, verified: Verified, lock: int) -> Switch:
        journal = Journal(self.places)
        goal = str(slot.other(self.places).relative_to(self.places.home))
        origin = switching.in_use(self.places)
        facts = {
            "release": bundle.manifest.release,
            "bundle": verified.bundle,
            "signer": verified.signer,
            "is_unsigned": verified.is_unsigned,
            "file": self.path.name,
            "entries": len(bundle.manifest.entries),
            "bytes": bundle.total_bytes,
            "by_uid": self.places.uid,
            "new_pin": asdict(verified.new_pin) if verified.new_pin else None,
        }
        number = journal.begin(journals.APPLY, origin=origin, goal=goal, facts=facts)
        journal.note(number, journals.VERIFIED)
        journal.note(number, journals.FIT)
        return Switch(
            places=self.places,
            journal=journal,
            number=number,
            origin=origin,
            goal=goal,
            lock=lock,
            words=tuple(self.words),
        )

    def _switch(self, change: Switch, *, is_unsigned: bool) -> dict[str, Any]:
        accepted: dict[str, Any] = {}

        def accept(program: Program) -> None:
            accepted.update(program.call(["accept"], module="install.slots.acceptance"))

        goal = change.program(change.goal)
        with guardian.watching(goal):
            with self.display.step(SWITCH) as step:

                def say(line: str) -> None:
                    step.detail = line

                with disk_watched(self.places):
                    change.run(accept, say=say)
                step.result = f"{accepted.get('asked', 0)} questions answered as expected"
            with self.display.step(RECEIPT) as step:
                done = change.journal.attempts()[-1]
                recovery.finish(self.places, change.journal, done)
                step.result = str(done.number)
        self._tell(goal, done.facts, is_unsigned=is_unsigned)
        self._forget(change)
        return accepted

    def _forget(self, change: Switch) -> None:
        """Removes what neither slot stands on any more."""
        making.forget_unused(self.places)
        facts = slot.whole(self.places.home / change.goal)
        if facts is not None and facts.images:
            from install.containers import loading

            loading.forget(self.places)

    def _tell(self, program: Program, facts: dict[str, Any], *, is_unsigned: bool) -> None:
        events = ["bundle_applied", *([UNSIGNED] if is_unsigned else [])]
        for event in events:
            self._note_unless_told(program, event, facts)

    def _note_unless_told(self, program: Program, event: str, facts: dict[str, Any]) -> None:
        try:
            tell(program, event, facts)
        except ProgramError as error:
            self._note(f"The audit log was not told of {event}: {error.sentence}")

    def _as_it_was(self, current: Slot, lock: int, *, began: float) -> Applied:
        program = Program(places=self.places, folder=self.places.slot, lock=lock, began=began)
        with self.display.step(SWITCH) as step:

            def say(line: str) -> None:
                step.detail = line

            program.up(self.words, say=say)
            step.result = "this bundle is in use already"
        return Applied(
            release=current.release,
            bundle=current.bundle,
            slot=str(self.places.slot.relative_to(self.places.home)),
            before=current.release,
            was_there=True,
            seconds=round(time.time() - began, 1),
            acceptance={},
            notes=tuple(self.notes),
        )

    def _applied(
        self, change: Switch, bundle: Bundle, accepted: dict[str, Any], *, began: float
    ) -> Applied:
        before = slot.whole(self.places.home / change.origin) if change.origin else None
        return Applied(
            release=bundle.manifest.release,
            bundle=bundle.digest,
            slot=change.goal,
            before=before.release if before else None,
            was_there=False,
            seconds=round(time.time() - began, 1),
            acceptance=accepted,
            notes=tuple(self.notes),
        )

    def _note(self, line: str) -> None:
        self.notes.append(line)
        self.display.note(line)


def read_of(bundle: Bundle, step: Step) -> OnBytes:
    """Shows how much of a bundle was read; asks its manifest only once reading has begun.

    Reading begins when the signature was checked, and nothing of a manifest is parsed before.
    """
    shown: list[Bytes] = []

    def on_bytes(count: int) -> None:
        if not shown:
            shown.append(Bytes(step, bundle.total_bytes))
        shown[0](count)

    return on_bytes


def tell(program: Program, event: str, facts: dict[str, Any]) -> None:
    """Has the instance's audit log say what was done.

    Raises:
        ProgramError: it could not.
    """
    words = ["audit", "record", event]
    program.call(words, module="install.local_work", stdin=json.dumps(facts))


def database_generation(places: Places, *, lock: int) -> int | None:
    """Which generation shaped the database, as the program in use tells; None without either.

    Raises:
        ProgramError: it cannot be told.
    """
    program = Program(places=places, folder=places.slot, lock=lock)
    if not program.is_there or not places.config.exists():
        return None
    found = program.call(["database", "generation"], module="install.local_work")
    database = found.get("database")
    return None if database is None else int(database)
