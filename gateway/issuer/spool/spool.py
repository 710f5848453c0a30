"""Keeps what happened on disk until the instance has it, so that a killed process loses nothing.

A line is one `write`: it outlives the process that wrote it, whatever ends that. It is not flushed
to the disk for each request, so a machine that loses its power may lose the last seconds.
"""

import errno
import fcntl
import os
from collections.abc import Callable
from pathlib import Path

import structlog

from gateway.contract.events import Decision, UsageEvent
from gateway.errors import StateError
from gateway.issuer.spool.files import (
    Chunk,
    Line,
    Position,
    count_pending,
    encode_line,
    load_position,
    read_chunk,
    save_position,
    segment_path,
    segments,
    unsettled,
)

FOLDER = "spool"
LOCK_FILE = "lock"
SEGMENT_BYTES = 4 * 1024 * 1024
# What is shipped shall not lie around for long on a gateway that nobody asks much.
LONGEST_SEGMENT_S = 600.0
COMPLAIN_EVERY_S = 60.0

log = structlog.get_logger()


class Spool:
    """Takes lines from the request path, and hands them out in order; call all of it in one thread.

    When `limit_bytes` are full because the instance is away for long, calls go on and what is new
    is dropped, counted in `dropped` and told in the log: an answer is worth more than its count.
    `clock` gives seconds since the epoch.
    """

    def __init__(
        self,
        state_folder: Path,
        *,
        limit_bytes: int,
        clock: Callable[[], float],
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        self._folder = state_folder / FOLDER
        self._limit_bytes = limit_bytes
        # Several, or a full spool could not give room back as it is shipped.
        self._segment_bytes = min(segment_bytes, limit_bytes // 8)
        self._clock = clock
        self.spooled = self.shipped = self.dropped = self.pending = 0
        self._open: dict[str, bytes] = {}
        self._is_torn = False
        self._complained_at = float("-inf")
        self._descriptor = -1
        self._lock = -1
        try:
            self._start()
        except OSError as cause:
            self.close()
            reason = f"the usage spool in {self._folder} cannot be used: {cause}"
            raise StateError(reason=reason) from cause

    def _start(self) -> None:
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._lock = os.open(self._folder / LOCK_FILE, flags, 0o600)
        # A second process would take the calls of the first for interrupted ones.
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        self._sizes = segments(self._folder)
        self._position = load_position(self._folder)
        # Of the newest only: the others carried theirs on when the next one was begun.
        left = unsettled(self._folder, max(self._sizes)) if self._sizes else []
        self._number = max([*self._sizes, self._position.segment])
        self._begin(b"".join(encode_line(Line(settled=event)) for event in left))
        self.pending = count_pending(self._folder, self._position)
        if left:
            log.warning("calls_were_interrupted", count=len(left))

    def close(self) -> None:
        """Gives the folder up to the next process."""
        for descriptor in (self._descriptor, self._lock):
            if descriptor >= 0:
                os.close(descriptor)
        self._descriptor = self._lock = -1

    def open(self, event: UsageEvent) -> bool:
        """Notes a call that begins, as it counts if no more is heard of it; False if it is dropped.

        `settle` must follow unless it was dropped.
        """
        line = encode_line(Line(opened=event))
        if not self._has_room() or not self._append(line):
            return False
        self._open[event.event_id] = line
        return True

    def settle(self, event: UsageEvent) -> None:
        """Notes how a call ended that was opened."""
        self._open.pop(event.event_id, None)
        self._add(Line(settled=event))

    def decide(self, decision: Decision) -> None:
        """Notes a refusal."""
        if self._has_room():
            self._add(Line(decided=decision))

    def _add(self, line: Line) -> None:
        if self._append(encode_line(line)):
            self.spooled += 1
            self.pending += 1

    def _has_room(self) -> bool:
        has_room = self._room_bytes > 0
        if not has_room:
            self._drop(f"{self._limit_bytes} bytes are full; is the instance away?")
        return has_room

    def _drop(self, reason: str) -> None:
        self.dropped += 1
        self._complain(reason)

    def _complain(self, reason: str) -> None:
        now = self._clock()
        if now - self._complained_at >= COMPLAIN_EVERY_S:
            self._complained_at = now
            log.error("usage_spool_failed", reason=reason, dropped=self.dropped)

    def _append(self, line: bytes) -> bool:
        if self._sizes[self._number] >= self._segment_bytes:
            self._rotate()
        try:
            written = os.write(self._descriptor, b"\n" + line if self._is_torn else line)
        except OSError as error:
            self._drop(f"{type(error).__name__}: {error}")
            return False
        self._sizes[self._number] += written
        self._room_bytes -= written
        # A full disk takes a part of a line; the next one must not be glued to it.
        is_whole = written == len(line) + self._is_torn
        self._is_torn = not is_whole
        if not is_whole:
            self._drop("the disk is full")
        return is_whole

    def _rotate(self) -> None:
        try:
            # What is open goes along, so that shipped segments need not be kept for it.
            self._begin(b"".join(self._open.values()))
        except OSError as error:
            self._complain(f"no new segment: {type(error).__name__}: {error}")

    def _begin(self, content: bytes) -> None:
        path = segment_path(self._folder, self._number + 1)
        # Whole or not at all: the newest segment says which calls were open.
        self._descriptor, former = _new_file(path, content), self._descriptor
        if former >= 0:
            os.close(former)
        self._number += 1
        self._sizes[self._number] = len(content)
        self._begun_at = self._clock()
        self._is_torn = False
        self._measure()

    def _measure(self) -> None:
        self._room_bytes = self._limit_bytes - sum(self._sizes.values())

    @property
    def has_news(self) -> bool:
        """Whether there may be something to ship."""
        return self._position < self._end

    @property
    def _end(self) -> Position:
        return Position(segment=self._number, offset=self._sizes[self._number])

    def reader(self) -> Callable[[], Chunk]:
        """What reads the next lines to ship; it may be called in a thread."""
        folder, position, current = self._folder, self._position, self._number
        return lambda: read_chunk(folder, position, current=current)

    def advance(self, chunk: Chunk) -> Callable[[], None]:
        """Takes a chunk as dealt with; the result keeps that on disk and may be called in a thread.

        A process that ends in between ships the chunk again.
        """
        count = len(chunk.events) + len(chunk.decisions)
        self.shipped += count
        self.pending -= count
        self._position = chunk.end
        if chunk.unreadable:
            log.warning("spool_line_dropped", segment=chunk.end.segment, count=chunk.unreadable)
            self.dropped += chunk.unreadable
        self._sizes = {n: size for n, size in self._sizes.items() if n >= chunk.end.segment}
        self._measure()
        folder = self._folder
        return lambda: save_position(folder, chunk.end)

    def retire(self) -> None:
        """Begins a new segment if all of a long-lived one is shipped, so that it can go."""
        is_old = self._clock() - self._begun_at > LONGEST_SEGMENT_S
        if is_old and not self.has_news and self._sizes[self._number]:
            self._rotate()


def _new_file(path: Path, content: bytes) -> int:
    """A descriptor that appends to a new file, which appears with its content."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND | os.O_CLOEXEC
    descriptor = os.open(fresh, flags, 0o600)
    try:
        is_whole = os.write(descriptor, content) == len(content)
        if is_whole:
            fresh.rename(path)
            return descriptor
    except OSError:
        os.close(descriptor)
        raise
    os.close(descriptor)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
