"""A file under a passphrase: AES-256-GCM over chunks in order, with a mark on the last one.

A head of JSON, which every chunk is bound to, then chunks of 1 MiB, each with its tag. The nonce of
a chunk is 7 random bytes of the file, the chunk's number and whether it is the last (STREAM, as in
Hoang, Reyhanitabar, Rogaway and Vizár 2015), so that none can be left out, moved or added.
"""

import io
import json
import os
import secrets
import struct
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.constant_time import bytes_eq
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from install.backup.errors import BackupDamagedError, PassphraseWrongError

MAGIC = b"casemate backup\n"
FORMAT = 1
CHUNK_BYTES = 1024 * 1024
TAG_BYTES = 16
KEY_BYTES = 32
CHECK_BYTES = 16
SALT_BYTES = 16
PREFIX_BYTES = 7
# 128 MiB of memory and about half a second for each guess.
COST = 2**17
BLOCK = 8
# What a file may ask of whoever opens it.
MOST_COST = 2**20
MOST_HEAD_BYTES = 64 * 1024
# What JSON of another form ends in, or one made to end whoever reads it.
NO_HEAD = (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError)
LENGTH = struct.Struct(">I")


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What can be read without the passphrase; `facts` is the time and the release, no more."""

    cost: int
    salt: bytes
    prefix: bytes
    check: bytes
    facts: dict[str, Any]

    def to_bytes(self) -> bytes:
        """As it stands at the file's beginning."""
        text = json.dumps(
            {
                "format": FORMAT,
                "scrypt": {"n": self.cost, "r": BLOCK, "p": 1, "salt": self.salt.hex()},
                "prefix": self.prefix.hex(),
                "check": self.check.hex(),
                **self.facts,
            }
        ).encode()
        return MAGIC + LENGTH.pack(len(text)) + text


def read_head(path: Path) -> Head:
    """The head of a backup.

    Raises:
        BackupDamagedError: the file is none.
    """
    with _opened(path) as file:
        return _take_head(file, path)[0]


def _opened(path: Path) -> IO[bytes]:
    try:
        return path.open("rb")
    except OSError as cause:
        raise BackupDamagedError(path, cause.strerror or "it cannot be read") from cause


def _take_head(file: IO[bytes], path: Path) -> tuple[Head, bytes]:
    begin = file.read(len(MAGIC) + LENGTH.size)
    if begin[: len(MAGIC)] != MAGIC or len(begin) != len(MAGIC) + LENGTH.size:
        raise BackupDamagedError(path, "it is no backup")
    (length,) = LENGTH.unpack(begin[len(MAGIC) :])
    text = file.read(min(length, MOST_HEAD_BYTES))
    try:
        found = json.loads(text)
        scrypt = found.pop("scrypt")
        is_known = found.pop("format") == FORMAT and (scrypt["r"], scrypt["p"]) == (BLOCK, 1)
        head = Head(
            cost=int(scrypt["n"]),
            salt=bytes.fromhex(scrypt["salt"]),
            prefix=bytes.fromhex(found.pop("prefix")),
            check=bytes.fromhex(found.pop("check")),
            facts=found,
        )
    except NO_HEAD as cause:
        raise BackupDamagedError(path, "its head cannot be read") from cause
    is_sane = 1 < head.cost <= MOST_COST and head.cost & (head.cost - 1) == 0
    if not is_known or not is_sane or len(head.prefix) != PREFIX_BYTES:
        raise BackupDamagedError(path, "it has a form that this release does not know")
    return head, begin + text


def _keys(passphrase: bytes, *, salt: bytes, cost: int) -> tuple[bytes, bytes]:
    found = Scrypt(salt=salt, length=KEY_BYTES + CHECK_BYTES, n=cost, r=BLOCK, p=1)
    both = found.derive(passphrase)
    return both[:KEY_BYTES], both[KEY_BYTES:]


def _key_of(head: Head, passphrase: bytes, path: Path) -> bytes:
    key, check = _keys(passphrase, salt=head.salt, cost=head.cost)
    if not bytes_eq(check, head.check):
        raise PassphraseWrongError(path)
    return key


def _nonce(prefix: bytes, number: int, *, is_last: bool) -> bytes:
    return prefix + number.to_bytes(4, "big") + bytes([is_last])


class Writer(io.RawIOBase):
    """Seals what is written to it into `file`; whole only after `finish`."""

    def __init__(self, file: IO[bytes], passphrase: bytes, facts: dict[str, Any]) -> None:
        super().__init__()
        salt, self._prefix = secrets.token_bytes(SALT_BYTES), secrets.token_bytes(PREFIX_BYTES)
        key, check = _keys(passphrase, salt=salt, cost=COST)
        head = Head(cost=COST, salt=salt, prefix=self._prefix, check=check, facts=facts)
        self._head = head.to_bytes()
        self._box = AESGCM(key)
        self._file = file
        self._number = 0
        self._waiting = bytearray()
        file.write(self._head)

    def writable(self) -> bool:
        """It is."""
        return True

    def write(self, data: Any) -> int:
        """Takes in some more."""
        self._waiting += data
        # One that is exactly full may turn out to be the last.
        while len(self._waiting) > CHUNK_BYTES:
            self._put(bytes(self._waiting[:CHUNK_BYTES]), is_last=False)
            del self._waiting[:CHUNK_BYTES]
        return len(data)

    def finish(self) -> None:
        """Writes the last chunk, and has all of it on the disk."""
        self._put(bytes(self._waiting), is_last=True)
        self._waiting.clear()
        self._file.flush()
        os.fsync(self._file.fileno())

    def _put(self, plain: bytes, *, is_last: bool) -> None:
        nonce = _nonce(self._prefix, self._number, is_last=is_last)
        self._file.write(self._box.encrypt(nonce, plain, self._head))
        self._number += 1


class Reader(io.RawIOBase):
    """The plain content of a backup; nothing comes out that was not sealed in this place.

    That nothing is missing is known only when the end was read.
    """

    def __init__(self, path: Path, passphrase: bytes) -> None:
        """Opens it.

        Raises:
            BackupDamagedError: the file is no backup.
            PassphraseWrongError: it was made with another passphrase.
        """
        super().__init__()
        self._path = path
        self._file = _opened(path)
        try:
            head, self._head = _take_head(self._file, path)
            key = _key_of(head, passphrase, path)
        except BaseException:
            self._file.close()
            raise
        self._prefix = head.prefix
        self._box = AESGCM(key)
        self._number = 0
        self._next: bytes = self._file.read(CHUNK_BYTES + TAG_BYTES)
        self._plain = memoryview(b"")
        self.is_at_end = False

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """The next bytes; 0 at the end, which was sealed as such.

        Raises:
            BackupDamagedError: a chunk is not the one that was sealed in its place.
        """
        if not self._plain and not self.is_at_end:
            self._plain = memoryview(self._open())
        count = min(len(buffer), len(self._plain))
        buffer[:count] = self._plain[:count]
        self._plain = self._plain[count:]
        return count

    def _open(self) -> bytes:
        sealed, self._next = self._next, self._file.read(CHUNK_BYTES + TAG_BYTES)
        self.is_at_end = not self._next
        nonce = _nonce(self._prefix, self._number, is_last=self.is_at_end)
        try:
            plain = self._box.decrypt(nonce, sealed, self._head)
        except (InvalidTag, ValueError) as cause:
            where = f"from byte {self._number * CHUNK_BYTES} of its content on"
            raise BackupDamagedError(self._path, f"it was changed or cut {where}") from cause
        self._number += 1
        return plain

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        super().close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def write_whole(
    path: Path, passphrase: bytes, *, facts: dict[str, Any], fill: Callable[[Writer], object]
) -> None:
    """Makes a file with what `fill` writes: all of it under its name, or nothing.

    Raises:
        OSError: the disk is full, or the folder is not ours to write to.
    """
    draft = path.with_name(f".{path.name}.part")
    handle = os.open(draft, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            writer = Writer(file, passphrase, facts)
            fill(writer)
            writer.finish()
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
