"""Which files of a home are in a backup, and how they are packed and taken out again."""

import io
import json
import os
import stat
import tarfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any, cast

from install.backup.errors import BackupDamagedError, BackupError, BackupUnfitError
from install.backup.sealed import Reader, Writer
from install.places import Places

FACTS = "facts.json"
SNAPSHOT = "snapshot.db"
FILES = "files"
# What is exchanged as a whole by a restore: folders and single files below the home.
PROCESS_ITEMS = ("keys", "credentials", "gateway", "model_server/api_key", "config.json")
CONTAINER_ITEMS = (
    "containers/secrets/master_key",
    "containers/secrets/model_api_key",
    "credentials",
    "keys",
    "config.json",
)
# What only fills a gap: which bundles came in, and from whom they are taken.
FILLING = ("trust.json", "receipts", "backup.json")
MOST_FACTS_BYTES = 1024 * 1024
MOST_FILES = 100_000
MOST_FILE_BYTES = 256 * 1024 * 1024


def items(*, containers: bool) -> tuple[str, ...]:
    """What a restore exchanges, in its order."""
    return CONTAINER_ITEMS if containers else PROCESS_ITEMS


def check_key(places: Places, *, containers: bool) -> None:
    """Passes a home that has its master key, without which no database can be restored.

    Raises:
        BackupError: it has none.
    """
    key = places.home / ("containers/secrets/master_key" if containers else "keys/master.key")
    if not key.is_file():
        sentence = f"{key} is missing; a backup without it could not be restored."
        raise BackupError(sentence)


def pack(writer: Writer, places: Places, *, facts: Mapping[str, Any], snapshot: Path) -> int:
    """Puts the facts, the home's files and the snapshot into a backup; returns how many files.

    Raises:
        BackupError: a link stands where a file or folder of the home must be.
    """
    count = 0
    # The type is that of a stream that is only written to.
    with tarfile.open(
        fileobj=cast("IO[bytes]", writer), mode="w|", format=tarfile.PAX_FORMAT
    ) as tar:
        text = json.dumps(facts, sort_keys=True).encode()
        tar.addfile(_member(FACTS, len(text), 0o600), io.BytesIO(text))
        wanted = (*items(containers=bool(facts["containers"])), *FILLING)
        for path in _files(places.home, wanted):
            with path.open("rb") as file:
                found = os.fstat(file.fileno())
                name = f"{FILES}/{path.relative_to(places.home)}"
                tar.addfile(_member(name, found.st_size, stat.S_IMODE(found.st_mode)), file)
            count += 1
        with snapshot.open("rb") as file:
            tar.addfile(_member(SNAPSHOT, snapshot.stat().st_size, 0o600), file)
    return count


def _member(name: str, size: int, mode: int) -> tarfile.TarInfo:
    found = tarfile.TarInfo(name)
    found.size, found.mode = size, mode
    return found


def _files(home: Path, wanted: tuple[str, ...]) -> Iterator[Path]:
    for name in wanted:
        path = home / name
        for each in (path, *sorted(path.rglob("*"))):
            # What it leads to would be missing after a restore.
            if each.is_symlink():
                sentence = f"{each} is a link, which no backup holds; put there what it leads to."
                raise BackupError(sentence)
            if each.is_file():
                yield each


@dataclass(frozen=True, slots=True, kw_only=True)
class Unpacked:
    """A backup that was read to its end; its files lie in `folder`, for their owner alone."""

    folder: Path
    facts: Mapping[str, Any]

    @property
    def snapshot(self) -> Path:
        """The database."""
        return self.folder / SNAPSHOT

    @property
    def files(self) -> Path:
        """What lies below the home, under the same names."""
        return self.folder / FILES


def check_kind(unpacked: Unpacked, *, containers: bool) -> None:
    """Passes a backup of what runs in the same way as what is installed here.

    Raises:
        BackupUnfitError: one is of processes, the other of containers.
    """
    if bool(unpacked.facts["containers"]) != containers:
        ways = ("processes", "containers")
        sentence = (
            f"The backup is of {ways[not containers]}, and {ways[containers]} are installed here; "
            "install it the other way first."
        )
        raise BackupUnfitError(sentence)


def unpack(path: Path, passphrase: bytes, folder: Path) -> Unpacked:
    """Takes everything out into an empty folder; it is to be believed only when this returns.

    Raises:
        BackupDamagedError: something is not as it was sealed, or not what a backup holds.
        PassphraseWrongError: it was made with another passphrase.
        BackupError: the disk is full, or the folder is not ours to write to.
    """
    try:
        return _unpack(path, passphrase, folder)
    except OSError as cause:
        where = cause.filename or folder
        sentence = f"{path} could not be unpacked: {where}: {cause.strerror or cause}."
        raise BackupError(sentence) from cause


def _unpack(path: Path, passphrase: bytes, folder: Path) -> Unpacked:
    folder.mkdir(mode=0o700, parents=True)
    with Reader(path, passphrase) as reader:
        try:
            # Read by stretches that are only looked at forwards.
            with tarfile.open(fileobj=cast("IO[bytes]", reader), mode="r|") as tar:
                for count, member in enumerate(tar):
                    if count > MOST_FILES:
                        raise BackupDamagedError(path, "it holds too many files")
                    _take_out(tar, member, folder, path=path)
            while reader.read(1024 * 1024):
                pass
        except tarfile.TarError as cause:
            raise BackupDamagedError(path, "its content cannot be read") from cause
        if not reader.is_at_end:
            raise BackupDamagedError(path, "its end is missing")
    return Unpacked(folder=folder, facts=_facts(folder, path))


def _take_out(tar: tarfile.TarFile, member: tarfile.TarInfo, folder: Path, *, path: Path) -> None:
    name = PurePosixPath(member.name)
    source = tar.extractfile(member) if member.isreg() and is_expected(name) else None
    if source is None or (name.name != SNAPSHOT and member.size > MOST_FILE_BYTES):
        raise BackupDamagedError(path, f"it holds {member.name!r}, which no backup does")
    target = folder / name
    target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    mode = stat.S_IMODE(member.mode) & 0o755
    handle = os.open(target, os.O_CREAT | os.O_WRONLY | os.O_EXCL, 0o600)
    with os.fdopen(handle, "wb") as file:
        while piece := source.read(1024 * 1024):
            file.write(piece)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())


def is_expected(name: PurePosixPath) -> bool:
    """Whether a backup may hold a file of that name."""
    if str(name) in {FACTS, SNAPSHOT}:
        return True
    if name.is_absolute() or ".." in name.parts or name.parts[0] != FILES:
        return False
    inside = PurePosixPath(*name.parts[1:])
    known = {*PROCESS_ITEMS, *CONTAINER_ITEMS, *FILLING}
    return any(str(each) in known for each in (inside, *inside.parents))


def _facts(folder: Path, path: Path) -> Mapping[str, Any]:
    file = folder / FACTS
    try:
        if file.stat().st_size > MOST_FACTS_BYTES:
            raise BackupDamagedError(path, "its facts are too long")
        found: dict[str, Any] = json.loads(file.read_bytes())
    except (OSError, ValueError) as cause:
        raise BackupDamagedError(path, "its facts are missing") from cause
    if not (folder / SNAPSHOT).is_file() or "containers" not in found:
        raise BackupDamagedError(path, "it holds no database")
    return found
