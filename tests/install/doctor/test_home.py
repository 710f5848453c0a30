import shutil
import socket
from types import SimpleNamespace

import pytest

from install.doctor.box import Box
from tests.install.doctor.conftest import Look


def test_a_secret_that_others_may_read_is_named(box: Box, look: Look) -> None:
    folder = box.places.home / "keys"
    folder.chmod(0o755)
    found = look("home")
    assert (found.state, found.fix) == ("failed", f"chmod -R go= {folder}")


def test_a_home_of_somebody_else_says_whose(box: Box, look: Look) -> None:
    object.__setattr__(box.places, "uid", box.places.home.stat().st_uid + 7)
    found = look("home")
    assert found.state == "failed"
    assert "sudo -u" in str(found.fix)


@pytest.mark.parametrize(("free", "state"), [(2**20, "failed"), (2**30, "warning")])
def test_a_disk_without_room_is_told(
    look: Look, monkeypatch: pytest.MonkeyPatch, free: int, state: str
) -> None:
    usage = SimpleNamespace(free=free, total=2**40, used=0)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    found = look("disk")
    assert found.state == state
    assert found.facts["free_bytes"] == free


def test_a_log_that_is_not_cut_is_named(box: Box, look: Look) -> None:
    with (box.places.logs / "gateway.log").open("wb") as file:
        file.truncate(21 * 2**20)
    found = look("logs")
    assert found.state == "warning"
    assert "gateway.log" in found.found


def test_damaged_settings_are_named(box: Box, look: Look) -> None:
    box.places.config.write_text("{")
    found = look("configuration")
    assert found.state == "failed"
    assert "is damaged" in found.found


def test_a_slot_that_is_not_whole_is_named(box: Box, look: Look) -> None:
    box.places.pointer.symlink_to("slots/a")
    found = look("configuration")
    assert (found.state, "casemate bundle recover" in str(found.fix)) == ("failed", True)


def test_a_port_of_somebody_else_is_named_with_who_holds_it(box: Box, look: Look) -> None:
    box.is_ours = lambda *_: False
    with socket.create_server(("127.0.0.1", box.settings.model_port)):
        found = look("ports")
    assert found.state == "failed"
    assert f"model port {box.settings.model_port} is taken by process" in found.found
    assert "--model-port PORT" in str(found.fix)
