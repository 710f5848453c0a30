"""Stops an appliance and removes it; can be broken off anywhere and run again."""

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from install import config, local_work, locking, stopping
from install.config import STARTER, Config
from install.errors import InstallError
from install.places import Places
from install.removing import homes
from install.removing.homes import Content
from install.units import control

EVENT = "appliance_removed"


class RemovalIncompleteError(InstallError):
    """Something could not be removed; what could is gone."""

    code = "removal_incomplete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """What was removed and what stays, for people and scripts."""

    home: Path
    freed_bytes: int
    stays: tuple[str, ...]
    warnings: tuple[str, ...]

    def as_dict(self) -> dict[str, Any]:
        """For scripts."""
        return {
            "home": str(self.home),
            "freed_bytes": self.freed_bytes,
            "kept": list(self.stays),
            "warnings": list(self.warnings),
        }


def remove(places: Places, *, is_data_kept: bool, path: str, say: Callable[[str], None]) -> Removed:
    """Removes what `homes.content` says; `path` is the PATH whose links are looked at.

    Raises:
        AlreadyWorkingError: something else is being done to this home.
        InstallError: services cannot be stopped, or something cannot be removed.
    """
    homes.check(places)
    settings = homes.settings(places)
    lock = locking.take(places) if places.home.is_dir() else None
    try:
        found = homes.content(places, is_data_kept=is_data_kept)
        warnings = _record(places, settings) if is_data_kept else ()
        say("Stopping the services")
        _stop(places, settings, is_data_kept=is_data_kept)
        _remove_parts(places, settings, found, say=say)
        if is_data_kept and Path(settings.model).is_relative_to(places.home):
            # It went with the programs, and the next `up` would look for it.
            config.save(places.config, replace(settings, model=STARTER))
        warnings += _remove_links(places, path)
    finally:
        if lock is not None:
            os.close(lock)
    _remove_folders(places, is_data_kept=is_data_kept)
    if not is_data_kept and places.home.is_dir():
        warnings += (f"{places.home} itself stays, as something is in it or mounted on it.",)
    return Removed(
        home=places.home,
        freed_bytes=found.bytes,
        stays=tuple(part.path.name for part in found.stays),
        warnings=warnings,
    )


def _remove_parts(
    places: Places, settings: Config, found: Content, *, say: Callable[[str], None]
) -> None:
    forget_images = _forget_images(settings)
    first = [part for part in found.goes if part.path.name in homes.FIRST]
    rest = [part for part in found.goes if part.path.name not in homes.FIRST]
    for part in first:
        say(f"Removing {part.path.name}")
        _remove(part.path)
    # No slot names them any more; what remembers them is still there.
    forget_images(places)
    for part in rest:
        say(f"Removing {part.path.name}")
        _remove(part.path)


def _stop(places: Places, settings: Config, *, is_data_kept: bool) -> None:
    control.remove(places)
    if settings.containers:
        from install.containers import removing

        removing.remove(places, settings, is_data_kept=is_data_kept)
    stopping.stop_everything(places)


def _forget_images(settings: Config) -> Callable[[Places], object]:
    """What removes the images that came in bundles; imported while the program is still there."""
    if not settings.containers:
        return lambda _places: None
    from install.containers import loading

    return loading.forget


def _record(places: Places, settings: Config) -> tuple[str, ...]:
    """Says in the kept audit log that the programs went; a warning when that cannot be said."""
    python = places.services / "bin" / "python"
    if not python.exists() or not places.filled_processes.exists():
        return ()
    try:
        done = subprocess.run(
            [str(python), "-P", "-m", "install.local_work", "audit", "record", EVENT],
            input=json.dumps({"home": str(places.home), "data": "kept"}),
            env={**local_work.environment(places, settings), "CASEMATE_HOME": str(places.home)},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return ("The audit log could not be told that the appliance is removed.",)
    if done.returncode == 0:
        return ()
    return ("The audit log could not be told that the appliance is removed.",)


def _remove(path: Path) -> None:
    """Removes a file, a link or a folder, never what a link leads to; a mounted one is emptied.

    Raises:
        RemovalIncompleteError: naming what is left.
    """
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
        else:
            shutil.rmtree(path)
    except OSError as cause:
        if path.is_mount() and not any(path.iterdir()):
            return
        sentence = f"{cause.filename or path} could not be removed: {cause.strerror}."
        raise RemovalIncompleteError(sentence) from cause


def _remove_links(places: Places, path: str) -> tuple[str, ...]:
    """Removes them; a sentence for each that cannot be, another user's, say."""
    left = []
    for link in homes.links_in_path(places, path):
        try:
            _remove(link)
        except RemovalIncompleteError as error:
            left.append(error.sentence)
    return tuple(left)


def _remove_folders(places: Places, *, is_data_kept: bool) -> None:
    """The home itself, the folder that it is a link to, and the socket's."""
    if places.socket_folder.is_dir() and places.socket_folder.lstat().st_uid == places.uid:
        shutil.rmtree(places.socket_folder, ignore_errors=True)
    if is_data_kept or not places.home.is_dir():
        return
    real = places.home.resolve()
    # Somebody may have put something there meanwhile, or the home is a disk of its own.
    with suppress(OSError):
        real.rmdir()
    if places.home.is_symlink() and not real.exists():
        places.home.unlink()
