"""Fetches the wheels that an image installs, with the pip and the settings of this machine."""

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
            self._fetch(lock, folder, step)
            (folder / DONE).touch()
        return sorted(folder.glob("*.whl"))

    def _fetch(self, lock: Path, folder: Path, step: Step) -> None:
        lines = lock.read_text("utf-8").splitlines()
        if any(line.startswith("torch==") and "+cpu" in line for line in lines):
            step.detail = "looking for torch's CPU build"
            model_environment.fetch_torch(lock, self.builder, folder, index=self.torch_index)
        command = ["download", "--no-deps", "--require-hashes", "--only-binary", ":all:"]
        command += ["--dest", str(folder), "--find-links", str(folder), "-r", str(lock)]
        follow = PipProgress(step, sum("==" in line for line in lines), folder)
        environments.run_pip(self.builder, command, "Fetching packages", on_line=follow.line)

    def forget_all_but(self, locks: Iterable[Path]) -> None:
        """Removes the wheels of locks that nothing is built from any more."""
        names = {folder_of(self.cache, lock).name for lock in locks}
        for folder in self.cache.iterdir() if self.cache.is_dir() else ():
            if folder.name not in names:
                shutil.rmtree(folder, ignore_errors=True)
