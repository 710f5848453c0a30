"""What a process keeps of attempts to leave the machine: lines of a file, never any content."""

import fcntl
import json
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from inspect import currentframe
from pathlib import Path

# Of one file; one older file of the same size is kept beside it.
MOST_BYTES = 1024 * 1024
MOST_CALLERS = 6
# As many characters as a name of a host may have.
MOST_HOST = 253


class What(StrEnum):
    """What was attempted."""

    CONNECT = "connect"
    SEND = "send"
    LOOK_UP = "look-up"


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One way out that was tried; `port` is None where a name alone was asked for."""

    what: What
    host: str
    port: int | None = None


class Ledger:
    """A file below `folder` for one service; it comes with the first attempt.

    Several processes may write to it. What cannot be written is not: the refusal stands anyway,
    and the metrics count it.
    """

    def __init__(
        self,
        folder: Path,
        service: str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        most_bytes: int = MOST_BYTES,
    ) -> None:
        self._path = folder / f"{service}.jsonl"
        self._service = service
        self._clock = clock
        self._most_bytes = most_bytes

    def refused(self, attempt: Attempt) -> None:
        """Keeps one attempt that was refused, with the names of the modules that made it."""
        line = {
            "time": self._clock().isoformat(timespec="milliseconds"),
            "service": self._service,
            "pid": os.getpid(),
            "what": attempt.what,
            "host": attempt.host[:MOST_HOST],
            "port": attempt.port,
            "outcome": "refused",
            "by": _callers(),
        }
        with suppress(OSError):
            self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._append(json.dumps(line).encode() + b"\n")

    def _append(self, line: bytes) -> None:
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            os.write(handle, line)
            # Another writer may have put it aside while this one waited.
            is_full = os.fstat(handle).st_size >= self._most_bytes
            if is_full and os.path.samestat(os.fstat(handle), self._path.stat()):
                self._path.rename(self._path.with_suffix(".jsonl.1"))
        finally:
            os.close(handle)


def _callers() -> list[str]:
    """Whose code it was, the innermost first, without the standard library's and the guard's."""
    found: list[str] = []
    frame = currentframe()
    while frame is not None and len(found) < MOST_CALLERS:
        module = str(frame.f_globals.get("__name__", "?"))
        is_ours = module in {__name__, "gateway.contract.recorder"}
        if not is_ours and module.partition(".")[0] not in sys.stdlib_module_names:
            found.append(f"{module}:{frame.f_code.co_name}")
        frame = frame.f_back
    return found
