"""The files of the spool: segments of lines, and how far the instance has them."""

from dataclasses import dataclass, replace
from pathlib import Path

import msgspec
import structlog

from gateway.contract.events import MAX_BATCH_EVENTS, Decision, UsageEvent
from gateway.issuer.private_files import write_private

POSITION_FILE = "position.json"
SUFFIX = ".jsonl"
# So that a batch made of one read stays well under what an instance takes at once.
READ_BYTES = 256 * 1024

log = structlog.get_logger()


class Line(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line; exactly one member is there.

    `opened` is the event as it counts if the gateway is never able to say how it ended.
    """

    opened: UsageEvent | None = None
    settled: UsageEvent | None = None
    decided: Decision | None = None


class Position(msgspec.Struct, frozen=True, kw_only=True, order=True):
    """A place between two lines; everything before it is dealt with."""

    segment: int
    offset: int = 0


START = Position(segment=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    """What lay at a position, up to `end`; `unreadable` is the number of broken lines in it."""

    events: tuple[UsageEvent, ...] = ()
    decisions: tuple[Decision, ...] = ()
    unreadable: int = 0
    end: Position


_encoder = msgspec.json.Encoder()
_lines = msgspec.json.Decoder(Line)


def encode_line(line: Line) -> bytes:
    """A line as it is appended."""
    return _encoder.encode(line) + b"\n"


def decode_line(text: bytes) -> Line | None:
    """A line without its end; None for one that was not written whole."""
    try:
        return _lines.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def segment_path(folder: Path, number: int) -> Path:
    """Where a segment lies."""
    return folder / f"{number:012}{SUFFIX}"


def segments(folder: Path) -> dict[int, int]:
    """The sizes of all segments in bytes by their numbers, oldest first."""
    found = [path for path in folder.glob("*" + SUFFIX) if path.stem.isdigit()]
    return {int(path.stem): path.stat().st_size for path in sorted(found)}


def load_position(folder: Path) -> Position:
    """How far the instance has the spool; the start when that is not known."""
    try:
        return msgspec.json.decode((folder / POSITION_FILE).read_bytes(), type=Position)
    except FileNotFoundError:
        return START
    except msgspec.DecodeError:
        # Sending everything again does no harm: the instance counts an event once.
        log.warning("spool_position_unreadable")
        return START


def save_position(folder: Path, position: Position) -> None:
    """Keeps how far the instance has the spool, and drops the segments before that."""
    write_private(folder / POSITION_FILE, msgspec.json.encode(position))
    for number in segments(folder):
        if number < position.segment:
            segment_path(folder, number).unlink()


def unsettled(folder: Path, number: int) -> list[UsageEvent]:
    """The events that a segment opens and does not settle."""
    opened: dict[str, UsageEvent] = {}
    for text in segment_path(folder, number).read_bytes().split(b"\n"):
        line = decode_line(text)
        if line is None:
            if text:
                log.warning("spool_line_dropped", segment=number, size_bytes=len(text))
        elif line.opened is not None:
            opened[line.opened.event_id] = line.opened
        elif line.settled is not None:
            opened.pop(line.settled.event_id, None)
    return list(opened.values())


def count_pending(folder: Path, position: Position) -> int:
    """How many lines after `position` are for the instance."""
    pending = 0
    for number in segments(folder):
        if number >= position.segment:
            skipped = position.offset if number == position.segment else 0
            text = segment_path(folder, number).read_bytes()[skipped:]
            # A quote inside of a value is escaped, so these stand at the start of a line only.
            pending += text.count(b'{"settled":{') + text.count(b'{"decided":{')
    return pending


def read_chunk(folder: Path, position: Position, *, current: int) -> Chunk:
    """The next lines for the instance, at most a batch of them.

    `current` is the segment that is still written to; only there a missing end may yet come.
    """
    while True:
        text = _read(folder, position)
        whole, end, _ = text.rpartition(b"\n")
        if end:
            return _chunk(whole, position)
        if len(text) == READ_BYTES:
            # No line is as long as this.
            beyond = Position(segment=position.segment, offset=position.offset + READ_BYTES)
            return Chunk(unreadable=1, end=beyond)
        if position.segment >= current:
            return Chunk(end=position)
        following = Position(segment=position.segment + 1)
        if text:
            # Cut by a crash, perhaps just before the line's end.
            return replace(_chunk(text, position), end=following)
        position = following


def _read(folder: Path, position: Position) -> bytes:
    try:
        with segment_path(folder, position.segment).open("rb") as file:
            file.seek(position.offset)
            return file.read(READ_BYTES)
    except FileNotFoundError:
        return b""


def _chunk(whole: bytes, position: Position) -> Chunk:
    events: list[UsageEvent] = []
    decisions: list[Decision] = []
    unreadable, offset = 0, position.offset
    for text in whole.split(b"\n"):
        if MAX_BATCH_EVENTS in {len(events), len(decisions)}:
            break
        offset += len(text) + 1
        line = decode_line(text)
        if line is None:
            unreadable += 1
        elif line.settled is not None:
            events.append(line.settled)
        elif line.decided is not None:
            decisions.append(line.decided)
    end = Position(segment=position.segment, offset=offset)
    return Chunk(events=tuple(events), decisions=tuple(decisions), unreadable=unreadable, end=end)
