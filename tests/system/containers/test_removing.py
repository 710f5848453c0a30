"""Removal on a real engine: what was made for one home goes, and nothing of another."""

import io
import os
import tarfile
from pathlib import Path

import pytest

from install.config import Config
from install.containers import machine as naming
from install.containers import removing
from install.places import Places, make_folders
from tests.system.containers.machine import Machine


def an_image(machine: Machine, tag: str, home: Path) -> None:
    empty = io.BytesIO()
    with tarfile.open(fileobj=empty, mode="w") as file:
        file.addfile(tarfile.TarInfo("nothing"))
    change = f"LABEL casemate.built-for={home}"
    archive = machine.folder / "empty.tar"
    archive.write_bytes(empty.getvalue())
    machine.docker("import", "--change", change, str(archive), tag)


def a_volume(machine: Machine, project: str) -> str:
    name = f"{project}_instance-state"
    label = f"{naming.PROJECT_LABEL}={project}"
    machine.docker("volume", "create", "--label", label, name)
    return name


def names(machine: Machine, *words: str) -> set[str]:
    return set(machine.docker(*words).stdout.split())


@pytest.fixture
def places(machine: Machine, short_tmp: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """A home whose engine is the private machine's."""
    for name, value in machine.environment.items():
        monkeypatch.setenv(name, value)
    found = Places(home=short_tmp / "removed" / "home", uid=os.geteuid())
    found.home.parent.mkdir()
    make_folders(found)
    found.containers.mkdir(exist_ok=True)
    return found


def test_removal_leaves_nothing_of_one_home_in_the_engine(machine: Machine, places: Places) -> None:
    project = naming.project_name(places)
    mine, theirs = a_volume(machine, project), a_volume(machine, "casemate-other")
    an_image(machine, "casemate/instance:mine", places.home)
    an_image(machine, "casemate/instance:theirs", places.home.parent)
    images = ("image", "ls", "--format", "{{.Repository}}:{{.Tag}}")
    volumes = ("volume", "ls", "--quiet")
    settings = Config(containers=True)
    removing.remove(places, settings, is_data_kept=True)
    assert "casemate/instance:mine" not in names(machine, *images)
    assert "casemate/instance:theirs" in names(machine, *images)
    assert {mine, theirs} <= names(machine, *volumes)
    removing.remove(places, settings, is_data_kept=False)
    left = names(machine, *volumes)
    assert (mine in left, theirs in left) == (False, True)
    machine.docker("volume", "rm", theirs)
    machine.docker("image", "rm", "casemate/instance:theirs")
