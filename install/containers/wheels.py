"""Fetches the wheels that an image installs, with the pip and the settings of this machine."""

import re
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from install import environments, model_environment
from install.environments import Environment, PipProgress
from install.progress import Step

DONE = "complete"


def folder_of(cache: Path, lock: Path) -> Path:
    """Where the wheels of a lock lie: named by the lock's own digest."""
    return cache / environments.digest(lock)[:16]


def is_complete(cache: Path, lock: Path) -> bool:
    """Whether every wheel of the lock was fetched and verified."""
    return (folder_of(cache, lock) / DONE).exists()


def listed(lock: Path) -> set[str]:
    """The SHA-256 of each package that a lock lists."""
    return set(re.findall(r"--hash=sha256:([0-9a-f]{64})", lock.read_text("utf-8")))


def mend(cache: Path, lock: Path) -> None:
    """Removes what is not as the lock lists it, so that the next `fetch` fetches it anew.

    A download that was killed leaves such files, and pip would stop at them each time.
    """
    folder, wanted = folder_of(cache, lock), listed(lock)
    (folder / DONE).unlink(missing_ok=True)
    for wheel in folder.glob("*.whl"):
        if environments.digest(wheel) not in wanted:
            wheel.unlink()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """A folder of fetched wheels, and the environment whose pip fetches them."""

    cache: Path
    builder: Environment
    torch_index: str | None = None

    def fetch(self, lock: Path, step: Step) -> list[Path]:
        """The wheels of a lock, fetched unless they are there.

        Raises:
            PackagesError: pip did not find or could not verify one.
            TorchNotFoundError: torch's CPU build is wanted and is nowhere.
        """
        folder = folder_of(self.cache, lock)
        if not is_complete(self.cache, lock):
            folder.mkdir(parents=True, exist_ok=True)
            mend(self.cache, lock)
            self._fetch(lock, folder, step)
            (folder / DONE).touch()
        return sorted(folder.glob("*.whl"))

    def _fetch(self, lock: Path, folder: Path, step: Step) -> None:
        lines = self._missing(lock, folder)
        if not lines:
            return
        if any(line.startswith("torch==") and "+cpu" in line for line in lines):
            step.detail = "looking for torch's CPU build"
            model_environment.fetch_torch(lock, self.builder, folder, index=self.torch_index)
        wanted = folder / "missing.txt"
        wanted.write_text("\n".join(lines) + "\n", "utf-8")
        command = ["download", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        command += ["--dest", str(folder), "--find-links", str(folder), "-r", str(wanted)]
        follow = PipProgress(step, len(lines), folder)
        environments.run_pip(self.builder, command, "Fetching packages", on_line=follow.line)

    def _missing(self, lock: Path, folder: Path) -> list[str]:
        """The lock's lines of what is in no folder here; what another one has is linked to."""
        held: dict[str, list[Path]] = {}
        for path in sorted(self.cache.glob("*/*.whl")):
            held.setdefault(_title(*path.name.split("-")[:2]), []).append(path)
        missing = []
        for line in lock.read_text("utf-8").splitlines():
            found = re.match(r"([^=\s]+)==(\S+)", line)
            if found and not _put(held.get(_title(found[1], found[2]), []), line, folder):
                missing.append(line)
        return missing

    def forget_all_but(self, locks: Iterable[Path]) -> None:
        """Removes the wheels of locks that nothing is built from any more."""
        names = {folder_of(self.cache, lock).name for lock in locks}
        for folder in self.cache.iterdir() if self.cache.is_dir() else ():
            if folder.name not in names:
                shutil.rmtree(folder, ignore_errors=True)


def _title(name: str, version: str) -> str:
    return f"{re.sub(r'[-_.]+', '-', name).lower()}=={version}"


def _put(held: list[Path], line: str, folder: Path) -> bool:
    for path in held:
        if environments.digest(path) in line:
            target = folder / path.name
            if not target.exists():
                target.hardlink_to(path)
            return True
    return False
