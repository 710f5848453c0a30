"""A home with a slot, its services, and a `systemctl` that notes what it is told."""

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from install import services
from install.config import Config
from install.places import Places, make_folders
from install.services import Service
from install.units.control import Units
from install.units.hardening import Site
from install.units.systemctl import Systemd

SYSTEMCTL = """#!/bin/sh
here=$(dirname "$0")
shift 2
echo "$@" >> "$here/calls"
case "$1" in
  --version) echo "systemd 252 (252.1)";;
  show) shift 2; for unit in "$@"; do
      test -e "$here/up/$unit" && state=active || state=inactive
      printf 'Id=%s\\nLoadState=loaded\\nActiveState=%s\\nSubState=running\\nMainPID=7\\n' \\
        "$unit" "$state"
      printf 'ActiveEnterTimestampMonotonic=1000000\\n\\n'
    done;;
  restart) shift; for unit in "$@"; do touch "$here/up/$unit"; done;;
  stop) shift; for unit in "$@"; do rm -f "$here/up/$unit"; done;;
  daemon-reload) test ! -e "$here/broken" || { echo "no bus" >&2; exit 1; };;
esac
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What `systemctl` was told so far, and what it is to say."""

    folder: Path

    @property
    def program(self) -> str:
        """The stand-in."""
        return str(self.folder / "systemctl")

    def calls(self) -> list[str]:
        """Its words since the last look, without those that only ask."""
        path = self.folder / "calls"
        lines = path.read_text().splitlines() if path.exists() else []
        path.unlink(missing_ok=True)
        return [line for line in lines if not line.startswith(("show", "--version"))]

    def end(self, unit: str) -> None:
        """A unit's process ends for good."""
        (self.folder / "up" / unit).unlink()


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """The stand-in for systemctl."""
    folder = tmp_path / "systemd"
    (folder / "up").mkdir(parents=True)
    program = folder / "systemctl"
    program.write_text(SYSTEMCTL)
    program.chmod(0o755)
    return Told(folder=folder)


@pytest.fixture
def slotted(tmp_path: Path) -> Places:
    """A home whose program a bundle brought, with a space in its name."""
    found = Places(home=tmp_path / "the home", uid=os.geteuid())
    for name in ("services", "model-server"):
        folder = found.slots / "a" / name / "bin"
        folder.mkdir(parents=True)
        (folder / "python").symlink_to("/bin/true")
    found.pointer.symlink_to("slots/a")
    make_folders(found)
    return found


@pytest.fixture
def units(slotted: Places, tmp_path: Path, told: Told) -> Units:
    """The units of that home, in folders of the test."""
    for name in ("units", "logrotate"):
        (tmp_path / name).mkdir()
    return Units(
        places=slotted,
        folder=tmp_path / "units",
        logrotate=tmp_path / "logrotate",
        systemd=Systemd(program=told.program),
    )


def planned(places: Places, config: Config) -> tuple[Service, ...]:
    """All services of a home."""
    return (*services.plan(places, config), services.renewal(places, config))


def a_site(places: Places, config: Config | None = None, *, device: str = "cpu") -> Site:
    """What units are written from."""
    return Site(places=places, config=config or Config(systemd=True), device=device)
