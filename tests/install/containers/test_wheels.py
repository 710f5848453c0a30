from collections.abc import Callable
from pathlib import Path

import pytest

from install.containers import wheels
from install.containers.wheels import DONE, Shelf
from install.environments import Environment
from install.progress import Step
from tests.install.building.builders import a_line, a_wheel

FakePip = Callable[[str], None]


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    builder = Environment(folder=tmp_path / "env", lock=tmp_path, scratch=tmp_path)
    return Shelf(cache=tmp_path / "cache", builder=builder)


@pytest.fixture
def fake_pip(shelf: Shelf) -> FakePip:
    """Has `python -m pip` do what a line of shell says; $D is where wheels go."""

    def make(line: str) -> None:
        shelf.builder.python.parent.mkdir(parents=True, exist_ok=True)
        target = 'while [ "$1" != --dest ]; do shift; done; D=$2\n'
        shelf.builder.python.write_text(f"#!/bin/sh\n{target}{line}\n")
        shelf.builder.python.chmod(0o755)

    return make


def test_what_a_killed_download_left_does_not_stop_the_next(
    shelf: Shelf, fake_pip: FakePip, tmp_path: Path
) -> None:
    whole, other = (a_wheel(tmp_path / "found", name) for name in ("one", "other"))
    lock = tmp_path / "some.lock"
    lock.write_text(a_line(whole) + a_line(other))
    folder = wheels.folder_of(shelf.cache, lock)
    folder.mkdir(parents=True)
    (folder / whole.name).write_bytes(whole.read_bytes())
    (folder / other.name).write_bytes(other.read_bytes()[:20])
    fake_pip(f'[ -e "$D/{other.name}" ] && exit 1; cp {other} "$D"')
    found = shelf.fetch(lock, Step(title="Packages", began=0.0))
    assert [path.read_bytes() for path in found] == [whole.read_bytes(), other.read_bytes()]


def test_what_is_complete_is_not_fetched_again(shelf: Shelf, tmp_path: Path) -> None:
    wheel = a_wheel(tmp_path / "found", "one")
    lock = tmp_path / "some.lock"
    lock.write_text(a_line(wheel))
    folder = wheels.folder_of(shelf.cache, lock)
    folder.mkdir(parents=True)
    (folder / wheel.name).write_bytes(wheel.read_bytes())
    (folder / DONE).touch()
    assert len(shelf.fetch(lock, Step(title="Packages", began=0.0))) == 1


def test_a_shelf_that_is_mended_is_no_longer_complete(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text(a_line(a_wheel(tmp_path / "found", "one")))
    folder = wheels.folder_of(tmp_path, lock)
    folder.mkdir()
    (folder / DONE).touch()
    (folder / "strange-1.0-py3-none-any.whl").write_bytes(b"")
    wheels.mend(tmp_path, lock)
    assert list(folder.iterdir()) == []
    assert not wheels.is_complete(tmp_path, lock)


def test_what_another_lock_has_brought_is_not_fetched_for_the_next(
    shelf: Shelf, fake_pip: FakePip, tmp_path: Path
) -> None:
    one, other = a_wheel(tmp_path / "found", "one-thing"), a_wheel(tmp_path / "found", "other")
    first, second = tmp_path / "first.lock", tmp_path / "second.lock"
    first.write_text(a_line(one))
    second.write_text(a_line(one) + a_line(other))
    step = Step(title="Packages", began=0.0)
    fake_pip(f'cp {one} "$D"')
    shelf.fetch(first, step)
    fake_pip(f'grep -q one-thing "$D/missing.txt" && exit 1; cp {other} "$D"')
    assert [path.name for path in shelf.fetch(second, step)] == [one.name, other.name]


def test_another_build_of_the_same_version_is_fetched(
    shelf: Shelf, fake_pip: FakePip, tmp_path: Path
) -> None:
    ours = a_wheel(tmp_path / "ours", "one")
    theirs = a_wheel(tmp_path / "theirs", "one", more="Summary: another")
    first, second = tmp_path / "first.lock", tmp_path / "second.lock"
    first.write_text(a_line(ours))
    second.write_text(a_line(theirs))
    step = Step(title="Packages", began=0.0)
    for wheel, lock in ((ours, first), (theirs, second)):
        fake_pip(f'cp {wheel} "$D"')
        (found,) = shelf.fetch(lock, step)
        assert found.read_bytes() == wheel.read_bytes()
