"""A bundle that lies open: its manifest at once, its entries chunk by chunk."""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cached_property
from itertools import islice, zip_longest
from pathlib import Path
from typing import Any, BinaryIO

from install.bundle import manifest as manifests
from install.bundle import members
from install.bundle.errors import (
    DamagedError,
    LayoutError,
    ManifestError,
    NoBundleError,
    TruncatedError,
)
from install.bundle.manifest import Entry, Manifest
from install.bundle.members import Member

# A signature, a signer's statement with the keys before it, a key: all small.
MAX_FIRST_BYTES = 1024 * 1024
READ_BYTES = 1024 * 1024

OnBytes = Callable[[int], None]


def unheard(_count: int) -> None:
    """For whom nobody watches."""


class Bundle:
    """An open bundle; nothing in it may be relied on before signature and digests are checked.

    Its manifest is read as text only, until somebody asks what it says: so a signature is checked
    before anything is made of what was signed.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file
        found = list(islice(members.members(file), len(members.FIRST)))
        if tuple(each.name for each in found) != members.FIRST:
            sentence = "The bundle does not begin with its manifest, signature and signer."
            raise LayoutError(sentence)
        self.manifest_bytes = self._read(found[0], limit=manifests.MAX_MANIFEST_BYTES)
        self.signature = self._read(found[1], limit=MAX_FIRST_BYTES)
        self.signer = self._read(found[2], limit=MAX_FIRST_BYTES)
        self.signer_key = self._read(found[3], limit=MAX_FIRST_BYTES)

    @property
    def digest(self) -> str:
        """The manifest's SHA-256, which stands for the whole bundle."""
        return hashlib.sha256(self.manifest_bytes).hexdigest()

    @cached_property
    def manifest(self) -> Manifest:
        """What the bundle lists.

        Raises:
            ManifestError: that cannot be.
        """
        return manifests.parse(self.manifest_bytes)

    @cached_property
    def total_bytes(self) -> int:
        """How much `check` reads."""
        chunks = self.manifest.chunks().values()
        return sum(each.size for each in chunks) + self.manifest.installer.size

    def check(self, on_bytes: OnBytes = unheard) -> None:
        """Reads everything once, and passes when each chunk is the one that the manifest lists.

        Raises:
            LayoutError: the bundle does not hold those chunks, or something else as well.
            DamagedError: with the first that is not as listed.
        """
        offsets = self._offsets
        for digest, chunk in self.manifest.chunks().items():
            if self._digest_of(offsets[digest], chunk.size, on_bytes) != digest:
                raise DamagedError(digest, self._paths_of(digest))
        installer = self.manifest.installer
        if self._digest_of(self._installer_at, installer.size, on_bytes) != installer.digest:
            raise DamagedError(installer.digest, ())

    def installer(self) -> bytes:
        """The program at the bundle's end, checked.

        Raises:
            DamagedError: it is not the one that is listed.
        """
        listed = self.manifest.installer
        self._file.seek(self._installer_at)
        content = self._file.read(listed.size)
        if hashlib.sha256(content).hexdigest() != listed.digest:
            raise DamagedError(listed.digest, ())
        return content

    def read(self, path: str, *, limit: int = 16 * 1024 * 1024) -> bytes:
        """A small entry's content, its chunks checked.

        Raises:
            ManifestError: there is no such entry, or it is larger than `limit` bytes.
            DamagedError: a chunk is not the one that is listed.
        """
        entry = self.manifest.entry(path)
        if entry.size > limit:
            sentence = f"{path} in the bundle is larger than such a file can be."
            raise ManifestError(sentence)
        return b"".join(self.contents(entry))

    def extract(self, entry: Entry, target: Path, on_bytes: OnBytes = unheard) -> None:
        """Writes an entry's content to `target`, which is there only once it is whole.

        A target of the entry's size that is there already is taken for it. What an earlier try
        wrote to `target` with ".part" added is gone on with after its last whole chunk.

        Raises:
            DamagedError: a chunk, or what lies there of an earlier try, is not what is listed.
            OSError: it cannot be written; the disk may be full.
        """
        if target.is_file() and target.stat().st_size == entry.size:
            on_bytes(entry.size)
            return
        part = target.with_name(f"{target.name}.part")
        whole = hashlib.sha256()
        with part.open("a+b") as file:
            done = _resume(file, entry, whole)
            on_bytes(sum(chunk.size for chunk in entry.chunks[:done]))
            for content in self.contents(entry, on_bytes, skip=done):
                file.write(content)
                whole.update(content)
            file.flush()
            os.fsync(file.fileno())
        if whole.hexdigest() != entry.digest:
            part.unlink()
            raise DamagedError(entry.digest, (entry.path,))
        part.replace(target)

    def contents(
        self, entry: Entry, on_bytes: OnBytes = unheard, *, skip: int = 0
    ) -> Iterator[bytes]:
        """An entry's content by its chunks, each checked; the first `skip` are left out.

        Raises:
            DamagedError: a chunk is not the one that is listed.
        """
        for chunk in entry.chunks[skip:]:
            self._file.seek(self._offsets[chunk.digest])
            content = self._file.read(chunk.size)
            if hashlib.sha256(content).hexdigest() != chunk.digest:
                raise DamagedError(chunk.digest, self._paths_of(chunk.digest))
            on_bytes(len(content))
            yield content

    def _digest_of(self, offset: int, size: int, on_bytes: OnBytes) -> str:
        digest = hashlib.sha256()
        self._file.seek(offset)
        left = size
        while left:
            content = self._file.read(min(READ_BYTES, left))
            if not content:
                break
            digest.update(content)
            on_bytes(len(content))
            left -= len(content)
        return digest.hexdigest()

    def _paths_of(self, digest: str) -> tuple[str, ...]:
        return tuple(
            entry.path
            for entry in self.manifest.entries
            if any(chunk.digest == digest for chunk in entry.chunks)
        )

    def _read(self, member: Member, *, limit: int) -> bytes:
        if member.size > limit:
            sentence = f"{member.name} in the bundle is larger than it can be."
            raise LayoutError(sentence)
        self._file.seek(member.offset)
        return self._file.read(member.size)

    @cached_property
    def _offsets(self) -> dict[str, int]:
        """Where each chunk's content begins, once the layout is as the manifest says."""
        found = {}
        held = islice(members.members(self._file), len(members.FIRST), None)
        # One at a time, so that what lists little and holds much costs little.
        for chunk, member in zip_longest(self.manifest.chunks().values(), held):
            expected = chunk and (f"chunks/{chunk.digest}", chunk.size)
            if member is None or (member.name, member.size) != expected:
                sentence = "The bundle does not hold the chunks that its manifest lists."
                raise LayoutError(sentence)
            found[chunk.digest] = member.offset
        self._check_end(self._file.tell() + self.manifest.installer.size)
        return found

    @property
    def _installer_at(self) -> int:
        return max(self._file.seek(0, os.SEEK_END) - self.manifest.installer.size, 0)

    def _check_end(self, expected: int) -> None:
        end = self._file.seek(0, os.SEEK_END)
        if end < expected:
            sentence = "The bundle ends inside its installer; it was not copied whole."
            raise TruncatedError(sentence)
        if end > expected:
            sentence = "The bundle goes on where its manifest says that it ends."
            raise LayoutError(sentence)


@contextmanager
def opened(path: Path) -> Iterator[Bundle]:
    """Opens a bundle; checks neither signature nor digests, and of its layout only the beginning.

    Raises:
        BundleError: it is none, or begins as none does.
    """
    if path.exists() and not path.is_file():
        sentence = f"{path} is no file, and so no bundle."
        raise NoBundleError(sentence)
    try:
        file = _Reading(path)
    except OSError as cause:
        raise _unreadable(path, cause) from cause
    with io.BufferedReader(file) as buffered:
        yield Bundle(path, buffered)


class _Reading(io.FileIO):
    """A file to be read; a disk that fails on the way is said to be that file's."""

    def readinto(self, buffer: Any) -> int:
        try:
            return super().readinto(buffer)
        except OSError as cause:
            raise _unreadable(self.name, cause) from cause


def _unreadable(path: object, cause: OSError) -> NoBundleError:
    return NoBundleError(f"The bundle {path} cannot be read: {cause.strerror}.")


def _resume(file: BinaryIO, entry: Entry, whole: hashlib._Hash) -> int:
    """Keeps the whole chunks at the file's start that are right; returns how many."""
    file.seek(0)
    done = 0
    kept = 0
    for chunk in entry.chunks:
        content = file.read(chunk.size)
        if hashlib.sha256(content).hexdigest() != chunk.digest:
            break
        whole.update(content)
        done += 1
        kept += chunk.size
    file.seek(kept)
    file.truncate()
    return done
