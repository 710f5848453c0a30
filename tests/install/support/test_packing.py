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


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="cannot be written"):
        write(tmp_path / "none" / "x.zip", b"one")
    assert list(tmp_path.iterdir()) == []
