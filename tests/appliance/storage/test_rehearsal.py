from collections import namedtuple
from pathlib import Path

import pytest

from appliance.storage.engine import database_url
from appliance.storage.migrations import migrate
from appliance.storage.rehearsal import NoRoomError, copy_file, found_generation, rehearse, size_of

Usage = namedtuple("Usage", "total used free")


def test_a_full_disk_is_noticed_before_anything_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = database_url(f"sqlite:///{tmp_path}/casemate.db")
    migrate(url)
    monkeypatch.setattr("shutil.disk_usage", lambda _folder: Usage(100, 99, 1))
    with pytest.raises(NoRoomError, match="0 MiB free"):
        rehearse(url, lambda _session: None)
    assert sorted(each.name for each in tmp_path.iterdir()) == ["casemate.db", "casemate.db.lock"]


def test_a_copy_is_one_private_file(tmp_path: Path) -> None:
    url = database_url(f"sqlite:///{tmp_path}/casemate.db")
    migrate(url)
    copy_file(tmp_path / "casemate.db", tmp_path / "copy.db")
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0
    assert not list(tmp_path.glob("copy.db-*"))
    assert found_generation(url.set(database=str(tmp_path / "copy.db"))) == found_generation(url)
    assert size_of(url) > 0


def test_no_file_is_made_by_looking(tmp_path: Path) -> None:
    assert found_generation(database_url(f"sqlite:///{tmp_path}/none.db")) is None
    assert list(tmp_path.iterdir()) == []
