"""Imports a model: looked at where it lies, copied beside, and there under its name when whole."""

import fcntl
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from install.bundle.errors import NoBundleError
from install.bundle.manifest import CarriedModel, Entry, digest_of
from install.bundle.opened import Bundle, opened
from install.bundle.verifying import Verified
from install.config import Config
from install.errors import AlreadyWorkingError, InstallError
from install.importing import folders, records, store
from install.importing.errors import DoesNotFitError, WeightsRefusedError
from install.importing.records import Imported
from install.places import Places
from install.preflight import bundle as preflight
from install.preflight import gpus, machine
from install.preflight.fit import Figures, fit
from install.preflight.room import folder_name
from install.progress import Bytes, Display, size
from install.weights import ref_of

REF = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]{0,99}")
LOOK, CHECK, COPY = "Look at the weights", "Check them", "Copy them in"
STEPS = (LOOK, CHECK, COPY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What the admin said of the model; None leaves it to the weights."""

    ref: str | None = None
    name: str | None = None
    family: str | None = None
    is_pickle_allowed: bool = False
    is_forced: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Importer:
    """Imports into one home; `now` is the time for the record."""

    places: Places
    settings: Config
    wish: Wish
    display: Display
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

    def folder(self, path: Path) -> Imported:
        """Imports a folder of weights.

        Raises:
            InstallError: it is refused; nothing was written.
            OSError: the disk is full, or the folder cannot be read; run again, it goes on.
        """
        ref = self._ref(ref_of(path))
        with self.display.step(LOOK) as step:
            source = folders.look(path)
            figures = folders.check(source.files, is_pickle_allowed=self.wish.is_pickle_allowed)
            self._check_fit(ref, figures)
            step.result = f"{len(source.files)} files, {size(source.total_bytes)}"
        with held(self.places):
            with self.display.step(CHECK) as step:
                digests = folders.digests(source, Bytes(step, source.total_bytes))
                step.watch = None
            wanted = {digests[name]: count for name, count in source.sizes.items()}
            by_digest = {digests[name]: file for name, file in source.files.items()}
            self._copy(
                wanted,
                lambda digest, count: store.keep(
                    self.places, digest, by_digest[digest], on_bytes=count
                ),
            )
            model = CarriedModel(
                ref=ref,
                name=path.resolve().name,
                family="general",
                context_tokens=None,
                folder=str(path),
                digest=digest_of(digests),
            )
            imported = self._put(model, digests, sum(source.sizes.values()))
            store.sweep(self.places, with_parts=True)
            return imported

    def bundle(self, path: Path, verified: Verified) -> Sequence[Imported]:
        """Imports every model of a verified bundle.

        Raises:
            InstallError: one is refused, or the file is not the verified one any more.
            OSError: the disk is full; run again, it goes on.
        """
        with opened(path) as bundle:
            if bundle.digest != verified.bundle:
                sentence = f"{path} is another bundle than the one that was verified."
                raise NoBundleError(sentence)
            models = bundle.manifest.models
            if not models:
                sentence = f"{path} carries no models."
                raise WeightsRefusedError(sentence)
            if len(models) > 1 and (self.wish.ref or self.wish.name or self.wish.family):
                sentence = f"{path} carries {len(models)} models, each with a name of its own."
                raise WeightsRefusedError(sentence)
            with held(self.places):
                found = [self._carried(bundle, model) for model in models]
                store.sweep(self.places, with_parts=True)
                return found

    def _carried(self, bundle: Bundle, model: CarriedModel) -> Imported:
        ref = self._ref(model.ref)
        entries = bundle.manifest.below(model.folder)
        with self.display.step(LOOK) as step:
            held_bytes = gpus.weights_bytes(bundle.manifest, model)
            self._check_fit(ref, Figures(weights_bytes=held_bytes))
            total = sum(each.size for each in entries)
            step.result = f"{ref}, {len(entries)} files, {size(total)}"
        by_digest = {each.digest: each for each in entries}
        wanted = {each.digest: each.size for each in entries}
        self._copy(wanted, lambda digest, on: self._extract(bundle, by_digest[digest], on))
        digests = {each.path[len(model.folder) + 1 :]: each.digest for each in entries}
        files = {name: store.place_of(self.places, each) for name, each in digests.items()}
        try:
            figures = folders.check(files, is_pickle_allowed=self.wish.is_pickle_allowed)
            self._check_fit(ref, figures)
        except InstallError:
            store.sweep(self.places, with_parts=True)
            raise
        return self._put(model, digests, total)

    def _copy(self, wanted: Mapping[str, int], keep: Callable[[str, Bytes], None]) -> None:
        with self.display.step(COPY) as step:
            lacking = store.missing(self.places, wanted)
            store.check_room(self.places, lacking)
            count = Bytes(step, sum(lacking.values()))
            for digest in lacking:
                keep(digest, count)
            step.watch = None
            copied, known = sum(lacking.values()), sum(wanted.values())
            step.result = f"{size(copied)} copied, {size(known - copied)} were here already"

    def _extract(self, bundle: Bundle, entry: Entry, on_bytes: Bytes) -> None:
        target = store.place_of(self.places, entry.digest)
        target.parent.mkdir(mode=0o755, exist_ok=True)
        bundle.extract(entry, target, on_bytes)
        target.chmod(store.READABLE)

    def _put(self, model: CarriedModel, digests: Mapping[str, str], total: int) -> Imported:
        ref = self._ref(model.ref)
        imported = Imported(
            ref=ref,
            name=self.wish.name or model.name,
            family=self.wish.family or model.family,
            context_tokens=model.context_tokens,
            digest=model.digest,
            folder=folder_name(ref, model.digest),
            bytes=total,
            at=self.now().isoformat(timespec="seconds"),
        )
        # One that is there came with a bundle, or with an import before.
        if not imported.path(self.places).is_dir():
            store.assemble(self.places, imported.path(self.places), digests)
        records.write(self.places, imported)
        return imported

    def _ref(self, found: str) -> str:
        ref = self.wish.ref or found
        if not REF.fullmatch(ref) or ".." in ref:
            sentence = f"--ref takes letters, digits, dots, dashes, underscores and /, not {ref!r}."
            raise WeightsRefusedError(sentence)
        return ref

    def _check_fit(self, ref: str, figures: Figures) -> None:
        if self.wish.is_forced:
            return
        device = machine.find_device(self.settings.device)
        memory = preflight.memory_here(self.places, self.settings, device=device)
        judged = fit(figures, memory)
        if not judged.is_good:
            raise DoesNotFitError(ref, judged.sentence)


@contextmanager
def held(places: Places) -> Iterator[None]:
    """One import at a time; the services can be stopped and started meanwhile.

    Raises:
        AlreadyWorkingError: another one is under way.
    """
    places.models.mkdir(parents=True, exist_ok=True)
    flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
    handle = os.open(places.models / ".lock", flags, 0o600)
    try:
        _lock(places, handle)
        yield
    finally:
        os.close(handle)


def _lock(places: Places, handle: int) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise AlreadyWorkingError(places.models) from None
