"""Everything of an apply that touches nothing which runs: packages, weights, slot, rehearsal."""

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from install.bundle.opened import Bundle
from install.config import Config
from install.errors import InstallError
from install.places import Places
from install.progress import Bytes, Display
from install.slots import journal as journals
from install.slots import making, slot
from install.slots.making import SERVICES, Maker, Packages
from install.slots.slot import Slot, SlotModel
from install.slots.switching import Switch

PROGRAM = "Program"
ENGINE = "Model server"
WEIGHTS = "Weights"
SLOT = "Slot"
REHEARSE = "Rehearse"
STEPS = (PROGRAM, ENGINE, WEIGHTS, SLOT, REHEARSE)


class DiskFullError(InstallError):
    """There is no room for what a bundle brings; what runs goes on."""

    code = "disk_full"

    def __init__(self, home: Path) -> None:
        super().__init__(
            f"The disk of {home} is full; nothing that runs was touched. Make room, and run the "
            "same again: what is unpacked already is kept."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Preparing:
    """Prepares one change from an open, verified bundle, for the model server of one device."""

    places: Places
    bundle: Bundle
    change: Switch
    settings: Config
    device: str
    display: Display

    def run(self) -> None:
        """Does all of it; what is there already is kept.

        Raises:
            DiskFullError: there is no room.
            InstallError: it cannot be made here, or the new release would not come up.
        """
        with disk_watched(self.places):
            maker = Maker(places=self.places, bundle=self.bundle)
            with self.display.step(PROGRAM) as step:
                packages = [maker.packages(SERVICES, step)]
                self._note(journals.PACKAGES)
            more, images = self._engine(maker)
            with self.display.step(WEIGHTS) as step:
                models = maker.weights(step)
                self._note(journals.WEIGHTS)
            self._slot(maker, models, packages=[*packages, *more], images=images)
            self._rehearse()

    def _engine(self, maker: Maker) -> tuple[list[Packages], dict[str, str]]:
        """The model server's packages, or the images of all services."""
        packages: list[Packages] = []
        images: dict[str, str] = {}
        with self.display.step(ENGINE) as step:
            if self.settings.containers:
                from install.containers import loading

                manifest = self.bundle.manifest
                total = sum(manifest.entry(each.path).size for each in manifest.images)
                images = loading.load(self.bundle, self.places, Bytes(step, total))
                step.result = f"{len(images)} images"
            else:
                packages = [maker.packages(f"{making.MODEL_SERVER}-{self.device}", step)]
            self._note(journals.ENGINE)
        return packages, images

    def _slot(
        self,
        maker: Maker,
        models: tuple[SlotModel, ...],
        *,
        packages: Sequence[Packages],
        images: dict[str, str],
    ) -> None:
        manifest = self.bundle.manifest
        facts = Slot(
            release=manifest.release,
            schema_generation=manifest.schema_generation,
            bundle=self.bundle.digest,
            device=self.device,
            models=models,
            images=images,
            packages=tuple(each.name for each in packages),
        )
        folder = self.places.home / self.change.goal
        with self.display.step(SLOT) as step:
            if slot.whole(folder) != facts:
                maker.slot(folder, facts, packages)
            # What the journal says is there must not be lost with the power.
            os.sync()
            step.result = self.change.goal
            self._note(journals.SLOT)

    def _rehearse(self) -> None:
        with self.display.step(REHEARSE) as step:
            if self.change.origin is None:
                step.result = "nothing runs yet"
            else:
                program = self.change.program(self.change.goal)
                found = program.call(["rehearse"], module="install.slots.rehearsal")
                asked = "a question answered beside" if found.get("asked") else "nothing asked"
                step.result = f"a copy of the database migrated, {asked}"
            self._note(journals.REHEARSED)

    def _note(self, step: str) -> None:
        self.change.journal.note(self.change.number, step)


@contextmanager
def disk_watched(places: Places) -> Iterator[None]:
    """Says that the disk is full where that is what stopped the block.

    Raises:
        DiskFullError: it is.
    """
    try:
        yield
    except OSError as cause:
        if cause.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise DiskFullError(places.home) from cause
        raise
    except InstallError as error:
        if "No space left on device" in error.sentence:
            raise DiskFullError(places.home) from error
        raise
