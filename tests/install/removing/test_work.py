import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from install import config as configs
from install import locking, processes
from install.config import Config, save
from install.errors import AlreadyWorkingError
from install.places import Places
from install.preflight.machine import taken_ports
from install.removing import work
from install.removing.homes import NoHomeError
from install.removing.work import RemovalIncompleteError, Removed
from install.slots.program import Program
from install.supervision import Supervisor


def go(places: Places, *, is_data_kept: bool = False, path: str = "") -> Removed:
    return work.remove(places, is_data_kept=is_data_kept, path=path, say=lambda _line: None)


@pytest.fixture(autouse=True)
def set_up(places: Places) -> None:
    """Whatever makes a home takes its lock."""
    places.lock.touch()


@pytest.fixture
def running(installed: Places, config: Config) -> Places:
    """A home whose services run, as processes, with stand-ins for the parts."""
    save(installed.config, config)
    handle = locking.take(installed)
    with locking.held(installed, handle):
        Program(places=installed, folder=installed.slot, lock=handle).up()
    return installed


def test_removal_leaves_no_file_process_socket_or_port(
    running: Places, config: Config, tmp_path: Path
) -> None:
    (tmp_path / "bin").mkdir()
    link = tmp_path / "bin" / "casemate"
    link.symlink_to(running.services / "bin" / "casemate")
    done = go(running, path=str(tmp_path / "bin"))
    assert not running.home.exists()
    assert not running.socket_folder.exists()
    assert not link.is_symlink()
    assert processes.services_of(running.home) == []
    assert taken_ports(running.home, config) == {}
    assert (done.stays, done.warnings) == ((), ())
    assert done.freed_bytes > 0
    assert go(running).freed_bytes == 0


def test_kept_data_is_as_it_was_and_serves_again(running: Places, config: Config) -> None:
    token = (running.credentials / "admin_token").read_bytes()
    save(running.config, replace(config, model=str(running.models / "mine@0123456789ab")))
    done = go(running, is_data_kept=True)
    assert Supervisor(running).running() is None
    left = sorted(path.name for path in running.home.iterdir())
    assert {"config.json", "credentials", "gateway", "instance", "keys"} <= set(left)
    assert not {"envs", "models", "model_server", "run", "install.lock"} & set(left)
    assert sorted(done.stays) == left
    assert (running.credentials / "admin_token").read_bytes() == token
    remembered = configs.load(running.config)
    assert remembered == config
    assert go(running, is_data_kept=True).freed_bytes == 0
    go(running)
    assert not running.home.exists()


def test_a_half_made_home_goes_too(places: Places) -> None:
    shutil.rmtree(places.home / "keys")
    places.config.write_text("damaged")
    go(places)
    assert not places.home.exists()


def test_a_link_in_path_that_cannot_be_removed_is_a_warning(
    places: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link = tmp_path / "casemate"
    link.symlink_to(places.services / "bin" / "casemate")
    unlink = Path.unlink

    def refuse(path: Path, *, missing_ok: bool = False) -> None:
        if path == link:
            raise PermissionError(13, "Permission denied", str(path))
        unlink(path, missing_ok=missing_ok)

    monkeypatch.setattr(Path, "unlink", refuse)
    (warning,) = go(places, path=str(tmp_path)).warnings
    assert warning == f"{link} could not be removed: Permission denied."
    assert not places.home.exists()


def test_links_are_removed_and_never_followed(places: Places, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "precious").write_text("x")
    places.models.rmdir()
    places.models.symlink_to(outside)
    (places.logs / "more").symlink_to(outside)
    go(places)
    assert not places.home.exists()
    assert (outside / "precious").read_text() == "x"


def test_a_home_that_is_a_link_goes_with_what_it_leads_to(places: Places, tmp_path: Path) -> None:
    link = tmp_path / "link"
    link.symlink_to(places.home)
    go(replace(places, home=link))
    assert not link.is_symlink()
    assert not places.home.exists()


def test_nothing_is_removed_while_something_else_is_done(places: Places) -> None:
    with locking.held(places), pytest.raises(AlreadyWorkingError):
        go(places)
    assert places.logs.is_dir()


def test_a_folder_that_is_not_ours_is_left_alone(places: Places, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "x").touch()
    with pytest.raises(NoHomeError):
        go(replace(places, home=tmp_path / "other"))
    assert (tmp_path / "other" / "x").exists()


def test_what_cannot_be_removed_is_named_and_the_rest_can_be_done_later(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise OSError(16, "Device or resource busy", str(path))

    with monkeypatch.context() as patched:
        patched.setattr("install.removing.work.shutil.rmtree", refuse)
        with pytest.raises(
            RemovalIncompleteError, match="credentials could not be removed: Device"
        ):
            go(places)
    assert places.logs.is_dir()
    go(places)
    assert not places.home.exists()


def test_a_log_that_cannot_be_told_is_a_warning(running: Places) -> None:
    (running.home / "stand_in.json").write_text('{"fails": ["appliance", "audit"]}')
    running.filled_processes.write_text("key")
    (warning,) = go(running, is_data_kept=True).warnings
    assert "could not be told" in warning
