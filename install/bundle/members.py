"""The bundle's outside: files in a row in POSIX's ustar format, read strictly.

Tar programs list and unpack it. Reading takes a header only if it is, byte for byte, the one that
writing gives for its name and size: links, devices, owners, modes, times and extensions are none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from install.bundle.errors import LayoutError, NoBundleError, TruncatedError

BLOCK_BYTES = 512
END = bytes(2 * BLOCK_BYTES)
MANIFEST = "manifest.json"
SIGNATURE = "manifest.sig"
SIGNER = "signer.json"
SIGNER_KEY = "signer.pem"
# In this order, before all chunks.
FIRST = (MANIFEST, SIGNATURE, SIGNER, SIGNER_KEY)
CHUNK = re.compile(r"chunks/([0-9a-f]{64})")
# At 8 MiB a chunk, five terabytes; what is larger was made to keep its reader busy.
MAX_MEMBERS = 655_360

_NAME_BYTES = 100
_SIZE_AT = slice(124, 136)
_SUM_AT = slice(148, 156)


@dataclass(frozen=True)
class Member:
    """One file in the bundle; its content begins at `offset`, in bytes from the bundle's start."""

    name: str
    size: int
    offset: int

    @property
    def end(self) -> int:
        """Where the next header begins."""
        return self.offset + self.size + padding(self.size)


def padding(size: int) -> int:
    """How many zero bytes follow a content of `size` bytes."""
    return -size % BLOCK_BYTES


def header(name: str, size: int) -> bytes:
    """The one header that a member of this name and size has."""
    fields = [
        name.encode("ascii").ljust(_NAME_BYTES, b"\0"),
        b"0000644\0" + b"0000000\0" * 2,
        b"%011o\0" % size + b"%011o\0" % 0,
        b" " * 8,
        b"0" + bytes(100) + b"ustar\x0000",
        bytes(64) + b"0000000\0" * 2,
    ]
    block = b"".join(fields).ljust(BLOCK_BYTES, b"\0")
    total = b"%06o\0 " % sum(block)
    return block[: _SUM_AT.start] + total + block[_SUM_AT.stop :]


def members(file: BinaryIO) -> Iterator[Member]:
    """The members from the file's start to the end mark, contents skipped; leaves it behind that.

    Raises:
        NoBundleError: the first header is none.
        LayoutError: another header is none, there are too many, or something lies between them.
        TruncatedError: the file ends inside.
    """
    count = 0
    size_of_file = file.seek(0, 2)
    file.seek(0)
    while True:
        block = file.read(BLOCK_BYTES)
        if len(block) < BLOCK_BYTES and (count or not block):
            sentence = "The bundle ends too early; it was not copied whole."
            raise TruncatedError(sentence)
        if not any(block):
            if file.read(BLOCK_BYTES) != bytes(BLOCK_BYTES):
                sentence = "The bundle's end mark is not whole."
                raise LayoutError(sentence)
            return
        member = _member(block, file.tell(), is_first=count == 0)
        count += 1
        if count > MAX_MEMBERS:
            sentence = f"The bundle has more than {MAX_MEMBERS} members."
            raise LayoutError(sentence)
        if member.end > size_of_file:
            sentence = f"The bundle ends inside {member.name}; it was not copied whole."
            raise TruncatedError(sentence)
        yield member
        file.seek(member.offset + member.size)
        if any(file.read(padding(member.size))):
            sentence = f"After {member.name} the bundle holds what no bundle holds there."
            raise LayoutError(sentence)


def _member(block: bytes, offset: int, *, is_first: bool) -> Member:
    try:
        name = block[:_NAME_BYTES].rstrip(b"\0").decode("ascii")
        size = int(block[_SIZE_AT].rstrip(b"\0"), 8)
        # Octal digits may have a sign, and a size below nothing would be read as all there is.
        same = size >= 0 and header(name, size) == block
    except ValueError:
        name, size, same = "", 0, False
    if is_first and name != MANIFEST:
        sentence = "This file is no bundle of Casemate."
        raise NoBundleError(sentence)
    if not same or not (name in FIRST or CHUNK.fullmatch(name)):
        sentence = (
            f"At byte {offset - BLOCK_BYTES} the bundle holds something that no bundle holds; "
            "it was changed, or damaged on its way."
        )
        raise LayoutError(sentence)
    return Member(name=name, size=size, offset=offset)
