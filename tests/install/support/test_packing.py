import errno
import io
import json
import stat
import zipfile
from pathlib import Path

import pytest

from install.errors import SettingError
from install.support.packing import INVENTORY, inventory, pack, write

PARTS = {"b.txt": b"two", "a/c.txt": b"one"}


def test_the_same_parts_are_the_same_bytes() -> None:
    again = dict(reversed(PARTS.items()))
    assert pack(PARTS) == pack(again)


def test_the_inventory_comes_first_and_tells_of_all() -> None:
    told = inventory(PARTS, about={"b.txt": "it"}, replaced={"user": 2})
    with zipfile.ZipFile(io.BytesIO(pack({**PARTS, INVENTORY: told}))) as file:
        assert file.namelist() == [INVENTORY, "a/c.txt", "b.txt"]
        found = json.loads(file.read(INVENTORY))
    assert [each["name"] for each in found["files"]] == ["a/c.txt", "b.txt"]
    assert (found["files"][1]["bytes"], found["replaced"]) == (3, {"user": 2})


def test_a_file_is_its_owners_alone_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "x.zip"
    write(path, b"one")
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(SettingError, match="already"):
        write(path, b"two")
    assert path.read_bytes() == b"one"


@pytest.mark.parametrize("name", ["none/x.zip", "file/x.zip", "x" * 300])
def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SettingError, match="cannot be written"):
        write(tmp_path / name, b"one")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


@pytest.mark.parametrize("name", [".", "..", "/"])
def test_a_folder_is_no_file_to_write(tmp_path: Path, name: str) -> None:
    with pytest.raises(SettingError, match="already"):
        write(tmp_path / name if name == ".." else Path(name), b"one")


def test_what_lies_beside_the_file_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "other").write_bytes(b"other")
    (tmp_path / ".x.zip.part").symlink_to(tmp_path / "other")
    (tmp_path / "link.zip").symlink_to(tmp_path / "none")
    write(tmp_path / "x.zip", b"one")
    with pytest.raises(SettingError, match="already"):
        write(tmp_path / "link.zip", b"one")
    assert (tmp_path / "other").read_bytes() == b"other"
    assert not (tmp_path / "none").exists()


def test_a_full_disk_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(SettingError, match="No space left"):
        write(tmp_path / "x.zip", b"one")
    assert list(tmp_path.iterdir()) == []
