"""HOME/models/.files: each file once, by its SHA-256; a model's folder is made of links to them."""

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from install.importing.errors import NoRoomError, WeightsChangedError
from install.places import Places
from install.progress import size

COPY_BYTES = 8 * 1024 * 1024
# Beside what is copied, the services go on writing.
SPARE_BYTES = 500_000_000
READABLE = 0o444
# A model's folder while it is made, and while it is removed.
DRAFT, GONE = ".{}.new", ".{}.gone"

OnBytes = Callable[[int], None]


def files_folder(places: Places) -> Path:
    """Where the files themselves lie."""
    return places.models / ".files"


def place_of(places: Places, digest: str) -> Path:
    """Where the file of this content lies, or will."""
    return files_folder(places) / digest


def missing(places: Places, wanted: Mapping[str, int]) -> dict[str, int]:
    """Of digests and sizes in bytes, those whose files are not here yet."""
    return {
        digest: count for digest, count in wanted.items() if not place_of(places, digest).is_file()
    }


def check_room(places: Places, wanted: Mapping[str, int]) -> None:
    """Passes when the disk can take what is missing, what an earlier try left taken into account.

    Raises:
        NoRoomError: with the numbers.
    """
    half = sum(
        part.stat().st_size
        for digest in wanted
        if (part := _part(place_of(places, digest))).is_file()
    )
    needed = sum(wanted.values()) - half + SPARE_BYTES
    free = shutil.disk_usage(places.models).free
    if wanted and free < needed:
        sentence = f"{places.models} has {size(free)} free, {size(needed)} are needed."
        raise NoRoomError(sentence)


def keep(places: Places, digest: str, source: Path, *, on_bytes: OnBytes) -> None:
    """Copies a file in, unless it is here; goes on with what an earlier try has copied rightly.

    Raises:
        WeightsChangedError: it is not the file that was read before.
        OSError: the disk is full, or the source cannot be read.
    """
    target = place_of(places, digest)
    if target.is_file():
        return
    target.parent.mkdir(mode=0o755, exist_ok=True)
    part = _part(target)
    with source.open("rb") as file:
        found = fill(part, iter(lambda: file.read(COPY_BYTES), b""), on_bytes)
    if found != digest:
        part.unlink()
        raise WeightsChangedError(source.name)
    put(part, target)


def put(part: Path, target: Path) -> None:
    """Gives a whole file its name; nobody changes it from then on through one of its links."""
    part.replace(target)
    target.chmod(READABLE)


def fill(part: Path, blocks: Iterator[bytes], on_bytes: OnBytes) -> str:
    """Makes a file of these blocks, keeping those that are there; returns the SHA-256 of all."""
    whole = hashlib.sha256()
    with part.open("a+b") as file:
        file.seek(0)
        for block in blocks:
            whole.update(block)
            _put(file, block)
            on_bytes(len(block))
        file.truncate()
        file.flush()
        os.fsync(file.fileno())
    return whole.hexdigest()


def _put(file: BinaryIO, block: bytes) -> None:
    at = file.tell()
    if file.read(len(block)) != block:
        # Opened for appending, so that it goes to the end, which is here now.
        file.truncate(at)
        file.seek(at)
        file.write(block)


def _part(target: Path) -> Path:
    return target.with_name(f"{target.name}.part")


def assemble(places: Places, folder: Path, digests: Mapping[str, str]) -> None:
    """Makes a model's folder of links to its files; it is there only when it is whole."""
    draft = folder.with_name(DRAFT.format(folder.name))
    shutil.rmtree(draft, ignore_errors=True)
    for name, digest in digests.items():
        target = draft / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.hardlink_to(place_of(places, digest))
    for each in (draft, *(path for path in draft.rglob("*") if path.is_dir())):
        sync(each)
    draft.replace(folder)
    sync(folder.parent)


def discard(folder: Path) -> None:
    """Removes a model's folder; one that is half removed has no name that anybody serves."""
    gone = folder.with_name(GONE.format(folder.name))
    shutil.rmtree(gone, ignore_errors=True)
    if folder.is_dir():
        folder.replace(gone)
    shutil.rmtree(gone, ignore_errors=True)


def sweep(places: Places, *, with_parts: bool) -> int:
    """Removes files that no model has any more; returns the bytes freed.

    With parts also half-copied files and half-made folders, so only while nobody makes any.
    """
    freed = 0
    for name in (DRAFT, GONE) if with_parts else ():
        for left in places.models.glob(name.format("*")):
            shutil.rmtree(left, ignore_errors=True)
    folder = files_folder(places)
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        found = path.stat()
        is_part = path.suffix == ".part"
        if (is_part and with_parts) or (not is_part and found.st_nlink == 1):
            path.unlink()
            freed += found.st_size
    return freed


def sync(folder: Path) -> None:
    """Makes the names in a folder outlast a power cut."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
