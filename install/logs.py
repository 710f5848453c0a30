"""The ends of the services' logs, and what is added to them."""

import os
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from install.places import Places
from install.services import NAMES, RENEWAL

LOGS = (*NAMES, RENEWAL, "supervisord", "install")
POLL_S = 0.2
BLOCK_BYTES = 65536


def last_lines(path: Path, count: int) -> list[str]:
    """The last `count` lines, reading no more of the file than they take."""
    try:
        with path.open("rb") as file:
            return _last_lines(file, count)
    except FileNotFoundError:
        return []


def _last_lines(file: BinaryIO, count: int) -> list[str]:
    position = file.seek(0, 2)
    data = b""
    while position and data.count(b"\n") <= count:
        step = min(BLOCK_BYTES, position)
        position = file.seek(position - step)
        data = file.read(step) + data
    lines = data.decode("utf-8", "replace").splitlines()
    return lines[-count:] if count else []


class Follower:
    """New lines of one log, also across its rotation."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file: BinaryIO | None = None
        self._rest = b""
        if path.exists():
            self._file = path.open("rb")
            self._file.seek(0, 2)

    def lines(self) -> list[str]:
        """The whole lines that were added since the last call."""
        found = self._read()
        if self._was_rotated():
            self.close()
            self._file = self._path.open("rb")
            found += self._read()
        return found

    def _read(self) -> list[str]:
        if self._file is None:
            return []
        *whole, self._rest = (self._rest + self._file.read()).split(b"\n")
        return [line.decode("utf-8", "replace") for line in whole]

    def _was_rotated(self) -> bool:
        try:
            now = self._path.stat()
        except FileNotFoundError:
            return False
        if self._file is None:
            return True
        mine = os.fstat(self._file.fileno())
        return now.st_ino != mine.st_ino or now.st_size < self._file.tell()

    def close(self) -> None:
        """Closes the file."""
        if self._file is not None:
            self._file.close()
            self._file = None


def follow(
    places: Places, names: Sequence[str], *, sleep: Callable[[float], None] = time.sleep
) -> Iterator[tuple[str, str]]:
    """(log, line) for ever, as lines come."""
    followers = {name: Follower(places.logs / f"{name}.log") for name in names}
    try:
        while True:
            for name, follower in followers.items():
                for line in follower.lines():
                    yield name, line
            sleep(POLL_S)
    finally:
        for follower in followers.values():
            follower.close()
