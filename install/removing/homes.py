"""Which folder is an appliance's home, and what in it is data, programs, or somebody else's."""

import json
import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from install import config
from install.config import Config
from install.errors import UNFIT, InstallError, SettingError
from install.places import Places

# What others could not restore: the database, keys and secrets, whom this box trusts, what came in.
DATA = frozenset(
    {
        "config.json",
        "instance",
        "gateway",
        "keys",
        "credentials",
        "trust.json",
        "receipts",
        "backups",
        "ca.crt",
        "containers",
        "egress",
        "backup.json",
    }
)
PROGRAMS = frozenset(
    {
        "envs",
        "slot",
        "slots",
        "packages",
        "models",
        "model_server",
        "logs",
        "run",
        "install.lock",
        "backup.lock",
        "restore",
        "building",
        "bin",
    }
)
# The engine keeps the images that slots name, so that slots go before what remembers images.
FIRST = ("slot", "slots")
# What a backup that was cut leaves.
HALF_MADE = ".backup-"
# The home goes on being known as one until everything else is gone.
LAST = ("config.json", "install.lock")


class NoHomeError(InstallError):
    """The folder is not an appliance's home, so that nothing in it is touched."""

    code = "not_a_home"
    exit_code = UNFIT

    def __init__(self, home: Path, why: str) -> None:
        super().__init__(
            f"{home} {why}, so nothing was removed; set CASEMATE_HOME to the home that you mean."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One name in the home; `leads_to` is where a link points, which stays."""

    path: Path
    bytes: int
    leads_to: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """What lies in a home: to go, in that order, and to stay."""

    goes: tuple[Part, ...]
    stays: tuple[Part, ...]

    @property
    def bytes(self) -> int:
        """What will be freed, files with several names counted once for each."""
        return sum(each.bytes for each in self.goes)


def check(places: Places) -> None:
    """Passes a folder that is a home of ours, whole or half made; one that is gone passes too.

    Raises:
        NoHomeError: it is somebody else's.
    """
    home = places.home
    if not os.path.lexists(home):
        return
    real = home.resolve()
    person = Path.home().resolve()
    if len(real.parts) <= len(("/", "srv")) or real == person or real in person.parents:
        why = "is no folder that an appliance has for itself"
        raise NoHomeError(home, why)
    if not real.is_dir():
        why = "is no folder"
        raise NoHomeError(home, why)
    try:
        names = {path.name for path in real.iterdir()}
    except PermissionError:
        why = "cannot be read by this user"
        raise NoHomeError(home, why) from None
    marks = names & (DATA | PROGRAMS)
    is_ours = places.lock.name in names or _is_configured(places)
    # The lock is what a removal that was cut leaves last.
    if names - {places.lock.name} and not (len(marks) > 1 and is_ours):
        why = "does not look like an appliance's home"
        raise NoHomeError(home, why)


def _is_configured(places: Places) -> bool:
    """Whether `up` was told something here; other programs have a config.json, too."""
    try:
        found = json.loads(places.config.read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(found, dict) and {"instance_port", "gateway_port", "device"} <= set(found)


def settings(places: Places) -> Config:
    """The remembered settings; where they are lost, the home itself tells how its services ran."""
    with suppress(SettingError):
        found = config.load(places.config)
        if found is not None:
            return found
    return Config(containers=places.filled_containers.exists())


def content(places: Places, *, is_data_kept: bool) -> Content:
    """What is to go and what is to stay; names that are not ours stay only beside kept data."""
    if not places.home.is_dir():
        return Content(goes=(), stays=())
    goes: list[Part] = []
    stays: list[Part] = []
    for path in sorted(places.home.iterdir(), key=_turn):
        is_program = path.name in PROGRAMS or path.name.startswith(HALF_MADE)
        stays_here = is_data_kept and not is_program
        (stays if stays_here else goes).append(_part(path))
    return Content(goes=tuple(goes), stays=tuple(stays))


def _turn(path: Path) -> tuple[bool, bool, str]:
    return path.name in LAST, path.name not in FIRST, path.name


def _part(path: Path) -> Part:
    if path.is_symlink():
        target = path.parent / path.readlink()
        inside = target.resolve().is_relative_to(path.parent.resolve())
        return Part(path=path, bytes=0, leads_to=None if inside else target)
    return Part(path=path, bytes=_bytes(path))


def _bytes(path: Path) -> int:
    """The size of what lies at and below a path; links are not followed."""
    seen: set[tuple[int, int]] = set()
    total = 0
    for each in (path, *(path.rglob("*") if path.is_dir() else ())):
        try:
            found = each.lstat()
        except OSError:
            continue
        if stat.S_ISREG(found.st_mode) and (found.st_dev, found.st_ino) not in seen:
            seen.add((found.st_dev, found.st_ino))
            total += found.st_size
    return total


def links_in_path(places: Places, path: str) -> tuple[Path, ...]:
    """Links called `casemate` in the folders of PATH that lead into the home."""
    found = []
    for folder in dict.fromkeys(path.split(os.pathsep)):
        link = Path(folder) / "casemate"
        # In a folder that may not be entered, nothing could be removed.
        with suppress(OSError):
            if folder and link.is_symlink():
                target = Path(os.path.normpath(link.parent / link.readlink()))
                if target.is_relative_to(places.home):
                    found.append(link)
    return tuple(found)
