import os
import shutil
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from install.backup import making, parts
from install.backup.errors import BackupError
from install.config import Config
from install.places import Places
from tests.install.backup.conftest import NOW, SECRET

Make = Callable[..., Path]


def test_a_backup_has_all_but_programs_and_weights(
    home: Places, backup: Make, tmp_path: Path
) -> None:
    (home.models / "m").mkdir()
    (home.models / "m" / "weights").write_text("large")
    unpacked = parts.unpack(backup(), SECRET, tmp_path / "out")
    names = sorted(
        str(each.relative_to(unpacked.folder))
        for each in unpacked.folder.rglob("*")
        if each.is_file()
    )
    assert names == [
        "facts.json",
        "files/config.json",
        "files/credentials/admin_token",
        "files/gateway/instance.json",
        "files/keys/master.key",
        "files/keys/tls/ca.pem",
        "files/model_server/api_key",
        "snapshot.db",
    ]
    assert (unpacked.files / "keys" / "master.key").stat().st_mode & 0o777 == 0o600
    assert unpacked.facts["instance_id"] == "12345678-aaaa"


def test_nothing_of_it_is_left_in_the_clear(home: Places, backup: Make) -> None:
    content = backup().read_bytes()
    assert b"authority old" not in content
    assert b"12345678-aaaa" not in content
    assert not list(home.home.glob(".backup-*"))
    assert "backup_made" in (home.home / "audited").read_text()


def test_a_folder_gets_a_name_with_the_box_and_the_time(home: Places, tmp_path: Path) -> None:
    made = making.make(home, Config(), SECRET, to=tmp_path / "kept", now=NOW)
    assert made.path.name == "casemate-12345678-20260501T120000Z.backup"
    (found,) = making.listed(tmp_path / "kept")
    assert found.as_dict() == {
        "file": str(made.path),
        "bytes": made.size_bytes,
        "made_at": "2026-05-01T12:00:00+00:00",
        "release": made.facts["release"],
    }


def test_a_key_outside_of_the_home_is_warned_of(home: Places, tmp_path: Path) -> None:
    settings = Config(handed_on={"CASEMATE_MASTER_KEY_FILE": "/elsewhere/master.key"})
    made = making.make(home, settings, SECRET, to=tmp_path, now=NOW)
    assert "/elsewhere/master.key" in made.as_dict()["warnings"][0]


def test_a_database_that_cannot_be_read_leaves_no_file(home: Places, tmp_path: Path) -> None:
    (home.home / "instance" / "casemate.db").unlink()
    with pytest.raises(BackupError):
        making.make(home, Config(), SECRET, to=tmp_path / "kept", now=NOW)
    assert not (tmp_path / "kept").exists()
    assert not list(home.home.glob(".backup-*"))


def test_a_full_disk_leaves_no_file(
    home: Places, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        message = "No space left on device"
        raise OSError(28, message)

    (tmp_path / "kept").mkdir()
    monkeypatch.setattr("install.backup.sealed.os.fsync", full)
    with pytest.raises(BackupError, match="No space left"):
        making.make(home, Config(), SECRET, to=tmp_path / "kept", now=NOW)
    assert list((tmp_path / "kept").iterdir()) == []


def test_the_newest_stay_and_what_is_another_s_too(home: Places, tmp_path: Path) -> None:
    folder = tmp_path / "kept"
    folder.mkdir()
    made = [
        making.make(home, Config(), SECRET, to=folder, now=NOW + timedelta(days=day)).path
        for day in range(4)
    ]
    last = made[-1]
    another = folder / "casemate-99999999-20250101T000000Z.backup"
    shutil.copy(last, another)
    (folder / "notes.txt").write_text("mine")
    (folder / "casemate-12345678-20240101T000000Z.backup").write_text("no backup")
    gone = making.prune(folder, like=last, keep=2)
    assert [each.name[18:26] for each in gone] == ["20260502", "20260501"]
    assert another.exists()
    assert len(list(folder.iterdir())) == 5
    assert making.prune(folder, like=tmp_path / "named.backup", keep=1) == ()


def test_after_a_clock_that_ran_ahead_the_one_just_made_stays(home: Places, tmp_path: Path) -> None:
    def make(day: int) -> Path:
        return making.make(home, Config(), SECRET, to=folder, now=NOW + timedelta(days=day)).path

    folder = tmp_path / "kept"
    ahead, before, last = [make(day) for day in (400, 401)], make(-1), make(0)
    assert making.prune(folder, like=last, keep=2) == (ahead[1], ahead[0])
    assert sorted(folder.iterdir()) == [before, last]
    assert making.prune(folder, like=last, keep=1) == (before,)


def test_two_at_once_are_refused(home: Places, backup: Make) -> None:
    with making.alone(home), pytest.raises(BackupError, match="made, tried or restored right now"):
        backup()
    assert backup().exists()


def test_what_fails_under_the_lock_keeps_its_name(home: Places) -> None:
    with pytest.raises(BlockingIOError), making.alone(home):
        raise BlockingIOError


def test_a_lock_or_a_home_that_cannot_be_written_to_is_said(
    home: Places, backup: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise PermissionError(13, "Permission denied", str(home.home))

    monkeypatch.setattr("install.backup.making.tempfile.TemporaryDirectory", refuse)
    with pytest.raises(BackupError, match=f"{home.home}: Permission denied"):
        backup()
    (home.home / "backup.lock").unlink()
    (home.home / "backup.lock").mkdir()
    with pytest.raises(BackupError, match=r"backup\.lock cannot be opened: Is a directory"):
        backup()


def test_what_was_cut_long_ago_is_removed(home: Places, tmp_path: Path) -> None:
    target = tmp_path / "kept"
    target.mkdir()
    cut = [home.home / "instance" / f".{name}-x" for name in ("snapshot", "restore", "rehearsal")]
    for each in cut:
        each.mkdir()
        (each / "snapshot.db").write_text("database")
    part = target / ".casemate-12345678-20260101T000000Z.backup.part"
    others = target / ".casemate-99999999-20260101T000000Z.backup.part"
    young = home.home / "instance" / ".rehearsal-young"
    for each in (part, others, young):
        each.touch()
    for each, days in ((young, 0.9), (others, 2), (part, 2), *((each, 2) for each in cut)):
        at = (NOW - timedelta(days=days)).timestamp()
        os.utime(each, (at, at))
    making.make(home, Config(), SECRET, to=target, now=NOW)
    assert [each for each in (*cut, part, others, young) if each.exists()] == [others, young]


def test_a_home_without_its_master_key_is_not_backed_up(home: Places, backup: Make) -> None:
    (home.home / "keys" / "master.key").unlink()
    with pytest.raises(BackupError, match=r"keys/master\.key is missing"):
        backup()
    settings = Config(containers=True)
    with pytest.raises(BackupError, match="containers/secrets/master_key is missing"):
        making.make(home, settings, SECRET, to=None, now=NOW)
