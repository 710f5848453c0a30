import io
import tarfile
from collections.abc import Callable
from pathlib import Path, PurePosixPath

import pytest

from install.backup import parts, sealed
from install.backup.errors import BackupDamagedError, BackupError
from install.backup.sealed import write_whole
from install.places import Places
from tests.install.backup.conftest import SECRET


def _sealed(path: Path, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    def fill(writer: sealed.Writer) -> None:
        with tarfile.open(fileobj=writer, mode="w|") as tar:
            for member, content in members:
                member.size = len(content)
                tar.addfile(member, io.BytesIO(content))

    write_whole(path, SECRET, facts={}, fill=fill)
    return path


def _member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.type, found.linkname = kind, link
    return found


@pytest.mark.parametrize(
    "name", ["../x", "/etc/x", "files/../../x", "files/bin/x", "files/keys2/x"]
)
def test_names_that_no_backup_holds_are_refused(tmp_path: Path, name: str) -> None:
    assert not parts.is_expected(PurePosixPath(name))
    path = _sealed(tmp_path / "x", (_member(name), b"x"))
    with pytest.raises(BackupDamagedError, match="which no backup does"):
        parts.unpack(path, SECRET, tmp_path / "out")


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.DIRTYPE]
)
def test_links_devices_and_folders_are_refused(tmp_path: Path, kind: bytes) -> None:
    path = _sealed(tmp_path / "x", (_member("files/keys/x", kind, "facts.json"), b""))
    with pytest.raises(BackupDamagedError, match="which no backup does"):
        parts.unpack(path, SECRET, tmp_path / "out")


def test_one_without_a_database_is_refused(tmp_path: Path) -> None:
    path = _sealed(tmp_path / "x", (_member("facts.json"), b'{"containers": false}'))
    with pytest.raises(BackupDamagedError, match="no database"):
        parts.unpack(path, SECRET, tmp_path / "out")
    path = _sealed(tmp_path / "y", (_member("snapshot.db"), b"x"))
    with pytest.raises(BackupDamagedError, match="facts are missing"):
        parts.unpack(path, SECRET, tmp_path / "other")


def test_what_is_expected_has_known_names() -> None:
    for name in ("files/keys/tls/x", "files/config.json", "snapshot.db", "files/receipts/1.json"):
        assert parts.is_expected(PurePosixPath(name))


@pytest.mark.parametrize("name", ["keys", "credentials", "config.json", "keys/tls"])
def test_a_link_is_refused_and_not_left_out(
    home: Places, backup: Callable[..., Path], tmp_path: Path, name: str
) -> None:
    path = home.home / name
    elsewhere = path.rename(tmp_path / "elsewhere")
    path.symlink_to(elsewhere)
    target = tmp_path / "backups" / "x.backup"
    with pytest.raises(BackupError, match=f"{path} is (a link|missing)"):
        backup(to=target)
    assert not target.exists()


def test_a_full_disk_while_unpacking_is_said(
    backup: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_handle: int) -> None:
        raise OSError(28, "No space left on device")

    path = backup()
    monkeypatch.setattr("install.backup.parts.os.fsync", full)
    with pytest.raises(BackupError, match=f"{tmp_path / 'out'}: No space left"):
        parts.unpack(path, SECRET, tmp_path / "out")
