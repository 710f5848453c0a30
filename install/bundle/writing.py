"""Writes a bundle: the same input gives the same bytes, and what was cut short is gone on with."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from install.bundle import manifest as manifests
from install.bundle import members, statements
from install.bundle.errors import BeingWrittenError, SourceChangedError
from install.bundle.manifest import CHUNK_BYTES, Chunk, Entry, Installer, Manifest
from install.bundle.members import BLOCK_BYTES
from install.bundle.opened import OnBytes, unheard
from install.bundle.signers import SigningKey


def describe(
    sources: Mapping[str, Path], *, cache: Path | None = None, on_bytes: OnBytes = unheard
) -> tuple[Entry, ...]:
    """The entries of files by their paths in the bundle, in the manifest's order.

    A file that `cache` knows, by its place, size and time of change, is not read again. `on_bytes`
    hears of each file's bytes as they are read or found known.
    """
    known = _Known(cache)
    entries = tuple(known.entry(path, sources[path], on_bytes) for path in sorted(sources))
    known.save()
    return entries


def describe_installer(path: Path) -> Installer:
    """The program that goes behind the end mark."""
    content = path.read_bytes()
    return Installer(digest=hashlib.sha256(content).hexdigest(), size=len(content))


def write(
    out: Path,
    manifest: Manifest,
    sources: Mapping[str, Path],
    *,
    installer: Path,
    signing: SigningKey,
    on_bytes: OnBytes = unheard,
) -> None:
    """Writes the bundle, which is at `out` only once it is whole.

    What an earlier try left in `out` with ".part" added is kept as far as it is right. `on_bytes`
    hears of each chunk's bytes, written or kept.

    Raises:
        SourceChangedError: a file is not what the manifest says.
        BeingWrittenError: somebody else writes to the same place.
        OSError: it cannot be written; the disk may be full.
    """
    with _part(out) as part:
        writer = _Writer(part)
        for name, content in _first(manifest, signing):
            writer.put(name, content)
        for chunk, path, offset in _chunks(manifest, sources):
            writer.put_chunk(chunk, path, offset)
            on_bytes(chunk.size)
        program = installer.read_bytes()
        if describe_installer(installer) != manifest.installer:
            raise SourceChangedError(str(installer))
        writer.finish(members.END + program)
        os.fsync(part.fileno())
        out.with_name(f"{out.name}.part").replace(out)
    _sync_folder(out.parent)


def _first(manifest: Manifest, signing: SigningKey) -> Iterator[tuple[str, bytes]]:
    text = manifests.to_bytes(manifest)
    # What could not be read again is not signed.
    manifests.parse(text)
    yield members.MANIFEST, text
    yield members.SIGNATURE, signing.sign(text)
    yield members.SIGNER, statements.to_bytes(signing.signer)
    yield members.SIGNER_KEY, signing.public_key


def _chunks(manifest: Manifest, sources: Mapping[str, Path]) -> Iterator[tuple[Chunk, Path, int]]:
    seen: set[str] = set()
    for entry in manifest.entries:
        offset = 0
        for chunk in entry.chunks:
            if chunk.digest not in seen:
                seen.add(chunk.digest)
                yield chunk, sources[entry.path], offset
            offset += chunk.size


class _Writer:
    """Keeps what is right already, from the beginning to the first difference; writes the rest."""

    def __init__(self, part: BinaryIO) -> None:
        self._part = part
        self._is_same = True
        part.seek(0)

    def put(self, name: str, content: bytes) -> None:
        head = members.header(name, len(content))
        self._put(head + content + bytes(members.padding(len(content))))

    def put_chunk(self, chunk: Chunk, path: Path, offset: int) -> None:
        head = members.header(f"chunks/{chunk.digest}", chunk.size)
        tail = bytes(members.padding(chunk.size))
        if self._is_same and self._holds(head, chunk, tail):
            return
        self._put(head + _read(path, offset, chunk) + tail)

    def finish(self, content: bytes) -> None:
        self._put(content)
        self._part.truncate()
        self._part.flush()

    def _holds(self, head: bytes, chunk: Chunk, tail: bytes) -> bool:
        at = self._part.tell()
        held = self._part.read(BLOCK_BYTES + chunk.size + len(tail))
        content = held[BLOCK_BYTES : BLOCK_BYTES + chunk.size]
        is_right = (
            held[:BLOCK_BYTES] == head
            and held[BLOCK_BYTES + chunk.size :] == tail
            and hashlib.sha256(content).hexdigest() == chunk.digest
        )
        if not is_right:
            self._part.seek(at)
        return is_right

    def _put(self, content: bytes) -> None:
        if self._is_same:
            at = self._part.tell()
            if self._part.read(len(content)) == content:
                return
            self._is_same = False
            self._part.seek(at)
            self._part.truncate()
        self._part.write(content)


class _Known:
    """What was read before: entries by the place, size and time of change of their files."""

    def __init__(self, cache: Path | None) -> None:
        self._cache = cache
        self._before: dict[str, Any] = _load(cache) if cache else {}
        self._now: dict[str, Any] = {}

    def entry(self, path: str, source: Path, on_bytes: OnBytes) -> Entry:
        status = source.stat()
        name = f"{source.absolute()} {status.st_size} {status.st_mtime_ns} {status.st_ino}"
        entry = self._again(path, name, status.st_size)
        if entry is None:
            entry = _described(path, source, on_bytes)
        else:
            on_bytes(entry.size)
        self._now[name] = {"sha256": entry.digest, "chunks": [vars(c) for c in entry.chunks]}
        return entry

    def save(self) -> None:
        if self._cache is None:
            return
        part = self._cache.with_name(f"{self._cache.name}.part")
        part.write_text(json.dumps(self._now), "utf-8")
        part.replace(self._cache)

    def _again(self, path: str, name: str, size: int) -> Entry | None:
        try:
            found = self._before[name]
            chunks = tuple(Chunk(**each) for each in found["chunks"])
            return Entry(path=path, digest=found["sha256"], size=size, chunks=chunks)
        except (KeyError, TypeError):
            return None


def _load(cache: Path) -> dict[str, Any]:
    try:
        found = json.loads(cache.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _described(path: str, source: Path, on_bytes: OnBytes) -> Entry:
    whole = hashlib.sha256()
    chunks = []
    with source.open("rb") as file:
        while content := file.read(CHUNK_BYTES):
            whole.update(content)
            chunks.append(Chunk(digest=hashlib.sha256(content).hexdigest(), size=len(content)))
            on_bytes(len(content))
    size = sum(each.size for each in chunks)
    return Entry(path=path, digest=whole.hexdigest(), size=size, chunks=tuple(chunks))


def _read(path: Path, offset: int, chunk: Chunk) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read(chunk.size)
    if hashlib.sha256(content).hexdigest() != chunk.digest:
        raise SourceChangedError(str(path))
    return content


@contextmanager
def _part(out: Path) -> Iterator[BinaryIO]:
    path = out.with_name(f"{out.name}.part")
    # Neither "a" nor "w": what is there is read, and only what is wrong is written anew.
    with os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT, 0o644), "r+b") as part:
        try:
            fcntl.flock(part, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as cause:
            sentence = f"Another program writes {out} right now; wait until it is done."
            raise BeingWrittenError(sentence) from cause
        yield part


def _sync_folder(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
