"""An image as one file, the way `docker save` writes it: read strictly before an engine gets it.

Runs on Python 3.9 and on the standard library, as what checks a bundle does.
"""

from __future__ import annotations

import hashlib
import json
import tarfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from install.bundle.manifest import PATH
from install.containers.errors import ImageRefusedError

BLOCK = tarfile.BLOCKSIZE
MANIFEST = "manifest.json"
# A configuration of many layers has some ten thousand bytes.
MAX_TEXT_BYTES = 4 * 1024 * 1024
# The engine knows no more layers than 127; each has one file here.
MAX_MEMBERS = 1024


@dataclass(frozen=True)
class Exported:
    """What such a file holds: the image's digest and name, and what its layers unpack to."""

    identity: str
    tag: str
    layers: tuple[str, ...]


class _Blocks:
    """Reads exactly so many bytes at a time from what comes in pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = iter(pieces)
        self._left = b""

    def read(self, size: int) -> bytes:
        found = b"".join(self.pass_by(size))
        if len(found) != size:
            sentence = "ends too early"
            raise ValueError(sentence)
        return found

    def pass_by(self, size: int) -> Iterator[bytes]:
        """So many bytes, in pieces, or fewer when there are no more."""
        while size:
            if not self._left:
                self._left = next(self._pieces, b"")
                if not self._left:
                    return
            piece, self._left = self._left[:size], self._left[size:]
            size -= len(piece)
            yield piece

    def rest(self) -> Iterator[bytes]:
        """All that is left."""
        if self._left:
            yield self._left
            self._left = b""
        yield from self._pieces


def examine(service: str, pieces: Iterable[bytes]) -> Exported:
    """What the file that comes in pieces is, once nothing in it is strange.

    Raises:
        ImageRefusedError: it holds more than one image, or anything but plain files.
    """
    try:
        return _examine(_Blocks(pieces))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as cause:
        reason = str(cause) if type(cause) is ValueError else f"cannot be read ({cause!r})"
        raise ImageRefusedError(service, reason) from cause
    except tarfile.TarError as cause:
        reason = f"is no image's file ({cause})"
        raise ImageRefusedError(service, reason) from cause


def _examine(blocks: _Blocks) -> Exported:
    texts: dict[str, bytes] = {}
    names: set[str] = set()
    for member in _members(blocks):
        if member.name in names:
            _refuse(f"holds {member.name} twice")
        names.add(member.name)
        padded = member.size + -member.size % BLOCK
        if member.name.endswith(".json") and member.size <= MAX_TEXT_BYTES:
            texts[member.name] = blocks.read(padded)[: member.size]
        elif sum(map(len, blocks.pass_by(padded))) != padded:
            _refuse("ends too early")
    return _exported(texts, names)


def _members(blocks: _Blocks) -> Iterator[tarfile.TarInfo]:
    """One after another; the caller takes each one's content before the next."""
    for _ in range(MAX_MEMBERS):
        block = blocks.read(BLOCK)
        if not any(block):
            if any(map(any, blocks.rest())):
                _refuse("goes on behind its end")
            return
        member = tarfile.TarInfo.frombuf(block, "ascii", "strict")
        # Headers that change the next one's name or size are refused with the links and devices.
        if not member.isreg() or member.size < 0:
            _refuse(f"holds {member.name!r}, which is no plain file")
        if not PATH.fullmatch(member.name):
            _refuse(f"holds a file of the strange name {member.name!r}")
        yield member
    _refuse(f"holds more than {MAX_MEMBERS} files")


def _exported(texts: dict[str, bytes], names: set[str]) -> Exported:
    (listed,) = json.loads(texts[MANIFEST])
    (tag,) = listed["RepoTags"]
    text = texts[listed["Config"]]
    config: dict[str, Any] = json.loads(text)
    layers = [str(each) for each in config["rootfs"]["diff_ids"]]
    missing = {str(each) for each in listed["Layers"]} - names
    if missing or len(listed["Layers"]) != len(layers):
        _refuse("does not hold the layers that it lists")
    used = {MANIFEST, str(listed["Config"]), *map(str, listed["Layers"])}
    if names - used:
        _refuse(f"holds {min(names - used)}, which belongs to no image")
    return Exported(
        identity=f"sha256:{hashlib.sha256(text).hexdigest()}", tag=str(tag), layers=tuple(layers)
    )


def _refuse(reason: str) -> None:
    raise ValueError(reason)
