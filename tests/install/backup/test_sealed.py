import json
from collections.abc import Callable
from pathlib import Path

import pytest

from install.backup import sealed
from install.backup.errors import BackupDamagedError, PassphraseWrongError
from install.backup.sealed import CHUNK_BYTES, TAG_BYTES, Reader, read_head, write_whole

SECRET = b"correct horse battery"
FACTS = {"made_at": "2026-01-01T00:00:00+00:00"}
CONTENT = bytes(range(256)) * (CHUNK_BYTES * 5 // 2 // 256)
SEALED_CHUNK = CHUNK_BYTES + TAG_BYTES


@pytest.fixture(autouse=True)
def cheap(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sealed, "COST", 2**4)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    found = tmp_path / "x.backup"
    write_whole(found, SECRET, facts=FACTS, fill=lambda writer: writer.write(CONTENT))
    return found


def _read(path: Path, secret: bytes = SECRET) -> bytes:
    with Reader(path, secret) as reader:
        return reader.readall() or b""


def test_what_was_written_comes_back(path: Path) -> None:
    assert _read(path) == CONTENT
    assert path.stat().st_mode & 0o077 == 0
    assert read_head(path).facts == FACTS
    assert CONTENT[:64] not in path.read_bytes()


@pytest.mark.parametrize("size", [0, 1, CHUNK_BYTES - 1, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_every_length_comes_back(tmp_path: Path, size: int) -> None:
    path = tmp_path / "x.backup"
    write_whole(path, SECRET, facts=FACTS, fill=lambda writer: writer.write(b"x" * size))
    assert _read(path) == b"x" * size


def test_another_passphrase_opens_nothing(path: Path) -> None:
    with pytest.raises(PassphraseWrongError):
        _read(path, b"another passphrase")


def _head_bytes(content: bytes) -> int:
    (length,) = sealed.LENGTH.unpack(content[len(sealed.MAGIC) :][: sealed.LENGTH.size])
    return len(sealed.MAGIC) + sealed.LENGTH.size + int(length)


def _flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :]


def _swapped(content: bytes) -> bytes:
    head, begin = content[: _head_bytes(content)], _head_bytes(content)
    first, second = (content[begin + n * SEALED_CHUNK :][:SEALED_CHUNK] for n in (0, 1))
    return head + second + first + content[begin + 2 * SEALED_CHUNK :]


DAMAGE: dict[str, Callable[[bytes], bytes]] = {
    "first byte": lambda found: _flipped(found, 0),
    "first chunk": lambda found: _flipped(found, _head_bytes(found) + 5),
    "last byte": lambda found: _flipped(found, len(found) - 1),
    "one byte cut": lambda found: found[:-1],
    "last chunk cut": lambda found: found[: _head_bytes(found) + 2 * SEALED_CHUNK],
    "all chunks cut": lambda found: found[: _head_bytes(found)],
    "head cut": lambda found: found[:20],
    "empty": lambda _found: b"",
    "reordered": _swapped,
    "one byte more": lambda found: found + b"x",
    "a chunk twice": lambda found: found + found[-100:],
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_refused(path: Path, kind: str) -> None:
    path.write_bytes(DAMAGE[kind](path.read_bytes()))
    with pytest.raises(BackupDamagedError, match="Nothing was changed"):
        _read(path)


def test_every_byte_of_the_head_counts(path: Path) -> None:
    content = path.read_bytes()
    for place in range(len(sealed.MAGIC), _head_bytes(content)):
        path.write_bytes(_flipped(content, place))
        with pytest.raises((BackupDamagedError, PassphraseWrongError)):
            _read(path)


def test_a_head_cannot_ask_for_much(path: Path) -> None:
    content = path.read_bytes()
    begin, end = len(sealed.MAGIC) + sealed.LENGTH.size, _head_bytes(content)
    head = json.loads(content[begin:end])
    head["scrypt"]["n"] = 2**30
    text = json.dumps(head).encode()
    path.write_bytes(sealed.MAGIC + sealed.LENGTH.pack(len(text)) + text + content[end:])
    with pytest.raises(BackupDamagedError, match="does not know"):
        _read(path)


def test_a_failure_leaves_no_file(tmp_path: Path) -> None:
    def fail(writer: sealed.Writer) -> None:
        writer.write(CONTENT)
        message = "No space left on device"
        raise OSError(28, message)

    with pytest.raises(OSError, match="No space"):
        write_whole(tmp_path / "x.backup", SECRET, facts=FACTS, fill=fail)
    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_is_said(tmp_path: Path) -> None:
    with pytest.raises(BackupDamagedError, match="No such file"):
        read_head(tmp_path / "none")


@pytest.mark.parametrize("text", [b"[" * 60_000, b'{"format": 1, "scrypt": {"n": 1e999, "r": 8'])
def test_a_head_that_is_none_is_refused(path: Path, text: bytes) -> None:
    if text.startswith(b"{"):
        text += b', "p": 1, "salt": ""}}'
    path.write_bytes(sealed.MAGIC + sealed.LENGTH.pack(len(text)) + text)
    with pytest.raises(BackupDamagedError, match="head cannot be read"):
        read_head(path)
