from pathlib import Path

import pytest

from gateway.contract.events import MAX_BATCH_EVENTS
from gateway.issuer.spool.files import (
    READ_BYTES,
    START,
    Line,
    Position,
    count_pending,
    decode_line,
    encode_line,
    load_position,
    read_chunk,
    save_position,
    segment_path,
    segments,
    unsettled,
)
from tests.builders import a_decision, a_usage_event


def settled(number: int) -> bytes:
    return encode_line(Line(settled=a_usage_event(number)))


def opened(number: int) -> bytes:
    return encode_line(Line(opened=a_usage_event(number, outcome="interrupted", status=0)))


def write(folder: Path, number: int, *lines: bytes) -> None:
    segment_path(folder, number).write_bytes(b"".join(lines))


@pytest.mark.parametrize("text", [b"", b"{", b'{"settled":{"event_id":"x"}}', b"\xff", b"[]"])
def test_a_line_that_is_not_whole_is_none(text: bytes) -> None:
    assert decode_line(text) is None


def test_lines_come_in_order_with_what_was_refused_beside_them(tmp_path: Path) -> None:
    decided = encode_line(Line(decided=a_decision(9)))
    write(tmp_path, 1, opened(1), opened(2), settled(2), decided, settled(1))
    chunk = read_chunk(tmp_path, START, current=1)
    assert [event.request_id for event in chunk.events] == ["request-2", "request-1"]
    assert chunk.decisions == (a_decision(9),)
    assert chunk.end == Position(segment=1, offset=segments(tmp_path)[1])
    assert read_chunk(tmp_path, chunk.end, current=1).end == chunk.end


def test_a_line_that_is_still_being_written_is_waited_for(tmp_path: Path) -> None:
    write(tmp_path, 1, settled(1), settled(2)[:-9])
    chunk = read_chunk(tmp_path, START, current=1)
    assert (len(chunk.events), chunk.unreadable) == (1, 0)
    again = read_chunk(tmp_path, chunk.end, current=1)
    assert (again.events, again.end) == ((), chunk.end)


def test_a_segment_cut_in_the_middle_of_a_line_loses_that_line_alone(tmp_path: Path) -> None:
    write(tmp_path, 1, settled(1), settled(2)[:-9])
    write(tmp_path, 2, settled(3))
    first = read_chunk(tmp_path, START, current=2)
    cut = read_chunk(tmp_path, first.end, current=2)
    assert (cut.unreadable, cut.end) == (1, Position(segment=2))
    assert len(read_chunk(tmp_path, cut.end, current=2).events) == 1


def test_a_broken_line_in_the_middle_is_stepped_over(tmp_path: Path) -> None:
    write(tmp_path, 1, settled(1), settled(2)[:-9] + b"\n", settled(3))
    chunk = read_chunk(tmp_path, START, current=1)
    assert (len(chunk.events), chunk.unreadable) == (2, 1)


def test_bytes_without_any_line_are_stepped_over(tmp_path: Path) -> None:
    write(tmp_path, 1, b"x" * (READ_BYTES + 10) + b"\n", settled(1))
    first = read_chunk(tmp_path, START, current=1)
    assert (first.unreadable, first.end.offset) == (1, READ_BYTES)
    rest = read_chunk(tmp_path, first.end, current=1)
    assert (len(rest.events), rest.unreadable) == (1, 1)


def test_a_chunk_is_no_longer_than_a_batch(tmp_path: Path) -> None:
    count = MAX_BATCH_EVENTS + 1
    write(tmp_path, 1, *(settled(number) for number in range(count)))
    first = read_chunk(tmp_path, START, current=1)
    second = read_chunk(tmp_path, first.end, current=1)
    assert len(first.events) <= MAX_BATCH_EVENTS
    assert len(first.events) + len(second.events) == count


def test_segments_that_are_gone_are_stepped_over(tmp_path: Path) -> None:
    write(tmp_path, 7, settled(1))
    assert len(read_chunk(tmp_path, START, current=7).events) == 1


def test_what_is_open_in_a_segment(tmp_path: Path) -> None:
    write(tmp_path, 3, opened(1), opened(2), settled(1), opened(3)[:-4])
    assert [event.request_id for event in unsettled(tmp_path, 3)] == ["request-2"]


def test_a_saved_position_drops_the_segments_before_it(tmp_path: Path) -> None:
    for number in (1, 2, 3):
        write(tmp_path, number, settled(number))
    save_position(tmp_path, Position(segment=3, offset=5))
    assert list(segments(tmp_path)) == [3]
    assert load_position(tmp_path) == Position(segment=3, offset=5)


def test_a_position_that_cannot_be_read_is_the_start(tmp_path: Path) -> None:
    assert load_position(tmp_path) == START
    (tmp_path / "position.json").write_text("{")
    assert load_position(tmp_path) == START


def test_what_is_pending_counts_from_the_position(tmp_path: Path) -> None:
    sly = a_usage_event(1, model='{"settled":{')
    write(tmp_path, 1, opened(1), encode_line(Line(settled=sly)))
    write(tmp_path, 2, settled(2), encode_line(Line(decided=a_decision())))
    assert count_pending(tmp_path, START) == 3
    first = len(settled(2))
    assert count_pending(tmp_path, Position(segment=2, offset=first)) == 1
