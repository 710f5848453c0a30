"""Puts what a bundle carries beside what runs: packages, weights, and the slot that uses them."""

import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from install import environments
from install.bundle.manifest import CarriedModel, Entry
from install.bundle.opened import Bundle, OnBytes
from install.environments import Environment
from install.errors import PackagesError
from install.places import Places
from install.progress import Bytes, Step, size
from install.slots import slot
from install.slots.slot import Slot, SlotDamagedError, SlotModel

SERVICES = "services"
MODEL_SERVER = "model-server"
OWN_WHEEL = "wheels/casemate"
ACCEPTANCE = "acceptance.json"
DIGEST_CHARS = 12
PATH_FILE = "packages.pth"


@dataclass(frozen=True, slots=True, kw_only=True)
class Packages:
    """An environment made from a lock, which slots stand on; `lock` is its file."""

    name: str
    folder: Path
    lock: Path

    def environment(self, places: Places) -> Environment:
        """It as an environment that pip works on."""
        return Environment(folder=self.folder, lock=self.lock, scratch=places.logs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Maker:
    """Makes a slot of one home from one open, verified bundle; what is there already is kept."""

    places: Places
    bundle: Bundle

    def packages(self, kind: str, step: Step) -> Packages:
        """The environment of `services`, `model-server-cpu` or `model-server-cuda`.

        Raises:
            InstallError: pip could not make it from the bundle's wheels.
            OSError: the disk is full.
        """
        found = self._packages(kind)
        environment = found.environment(self.places)
        if environment.follows_lock():
            step.result = f"{found.name}, as it was"
            return found
        wheels = self.places.packages / f".wheels-{kind}"
        try:
            self._extract_all(f"wheels/{kind}", wheels, step)
            step.watch = None
            environments.make(environment, step, find_links=wheels, is_offline=True)
        except BaseException:
            # Its room is wanted by what is asked to run on; the next try makes it again.
            shutil.rmtree(found.folder, ignore_errors=True)
            raise
        finally:
            shutil.rmtree(wheels, ignore_errors=True)
        step.result = f"{found.name}, {size(environments.folder_bytes(found.folder))}, new"
        return found

    def _packages(self, kind: str) -> Packages:
        entry = self.bundle.manifest.entry(f"locks/{kind}.lock")
        name = f"{kind}-{entry.digest[:DIGEST_CHARS]}"
        lock = self.places.packages / f"{name}.lock"
        self.places.packages.mkdir(exist_ok=True)
        self.bundle.extract(entry, lock)
        return Packages(name=name, folder=self.places.packages / name, lock=lock)

    def _extract_all(self, folder: str, target: Path, step: Step) -> None:
        entries = self.bundle.manifest.below(folder)
        count = Bytes(step, sum(each.size for each in entries))
        for entry in entries:
            self._extract(entry, target / entry.path[len(folder) + 1 :], count)

    def _extract(self, entry: Entry, target: Path, count: OnBytes) -> None:
        target.parent.mkdir(parents=True, exist_ok=True)
        self.bundle.extract(entry, target, count)

    def weights(self, step: Step) -> tuple[SlotModel, ...]:
        """Every model of the bundle, each whole in a folder that its content names.

        Raises:
            OSError: the disk is full.
        """
        models = tuple(self._model(each, step) for each in self.bundle.manifest.models)
        step.result = ", ".join(each.ref for each in models) or "none in the bundle"
        return models

    def _model(self, model: CarriedModel, step: Step) -> SlotModel:
        name = f"{model.ref.replace('/', '--')}@{model.digest[:DIGEST_CHARS]}"
        target = self.places.models / name
        if not target.is_dir():
            part = self.places.models / f".{name}"
            self._extract_all(model.folder, part, step)
            step.watch = None
            part.replace(target)
        return SlotModel(
            ref=model.ref,
            name=model.name,
            family=model.family,
            context_tokens=model.context_tokens,
            path=str(target),
        )

    def slot(self, folder: Path, facts: Slot, packages: Sequence[Packages]) -> None:
        """Makes the slot itself; it counts as made once its facts are there.

        Raises:
            InstallError: the product's own wheel could not be installed.
            OSError: the disk is full.
        """
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        wheels = folder / "wheels"
        for entry in self.bundle.manifest.below(OWN_WHEEL):
            self._extract(entry, wheels / entry.path[len(OWN_WHEEL) + 1 :], lambda _count: None)
        (folder / ACCEPTANCE).write_bytes(self.bundle.read(ACCEPTANCE))
        for each in packages:
            name = SERVICES if each.name.startswith(SERVICES) else MODEL_SERVER
            self._stand_on(each, folder / name, wheels)
        slot.write(folder, facts)

    def _stand_on(self, packages: Packages, folder: Path, wheels: Path) -> None:
        made = Environment(folder=folder, lock=packages.lock, scratch=self.places.logs)
        make_bare(folder)
        site = Path(sysconfig.get_path("purelib", "venv", {"base": str(folder)}))
        below = sysconfig.get_path("purelib", "venv", {"base": str(packages.folder)})
        (site / PATH_FILE).write_text(f"{below}\n", "utf-8")
        words = ["--python", str(made.python), "install", "--no-deps", "--no-index"]
        words += ["--no-compile", "--no-cache-dir", str(next(wheels.glob("*.whl")))]
        environments.run_pip(packages.environment(self.places), words, "Installing casemate")
        stamp: dict[str, object] = {
            "lock": made.wanted(),
            "sources": environments.built_digests(wheels),
        }
        environments.write_stamp(made, stamp)


def make_bare(folder: Path) -> None:
    """Makes a virtual environment without pip.

    Raises:
        PackagesError: Python's venv failed.
    """
    done = subprocess.run(
        [sys.executable, "-m", "venv", "--without-pip", str(folder)],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        what = "Making venv"
        raise PackagesError(what, " ".join((done.stdout + done.stderr).split())[-300:])


def forget_unused(places: Places) -> None:
    """Removes the environments that no slot stands on; none while a slot cannot say."""
    try:
        found = [slot.read(places.slots / each) for each in slot.NAMES]
    except SlotDamagedError:
        return
    used = {name for facts in found if facts is not None for name in facts.packages}
    for path in places.packages.iterdir() if places.packages.is_dir() else ():
        if path.name.removesuffix(".lock") not in used:
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink()
