import os
import resource
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from gateway.contract.events import UsageEvent
from gateway.errors import StateError
from gateway.issuer.spool.spool import LONGEST_SEGMENT_S, Spool
from tests.builders import a_decision, a_usage_event

NOON = 1_800_000_000.0


def a_spool(
    folder: Path, *, limit_bytes: int = 10**6, segment_bytes: int = 10**5, now: float = NOON
) -> Spool:
    return Spool(folder, limit_bytes=limit_bytes, segment_bytes=segment_bytes, clock=lambda: now)


def begun(number: int) -> UsageEvent:
    return a_usage_event(number, outcome="interrupted", status=0)


def call(spool: Spool, number: int) -> None:
    if spool.open(begun(number)):
        spool.settle(a_usage_event(number))


def ship(spool: Spool) -> list[UsageEvent]:
    """Takes everything out, as a shipper does."""
    taken: list[UsageEvent] = []
    while spool.has_news:
        chunk = spool.reader()()
        taken += chunk.events
        spool.advance(chunk)()
    return taken


def names(events: list[UsageEvent]) -> list[str]:
    return [f"{event.request_id} {event.outcome}" for event in events]


@contextmanager
def killed(spool: Spool) -> Iterator[None]:
    """The process is gone, and with it what it held open; the files are as they were."""
    spool.close()
    yield


def test_what_is_settled_is_shipped_once(tmp_path: Path) -> None:
    with closing(a_spool(tmp_path)) as spool:
        call(spool, 1)
        call(spool, 2)
        assert (spool.spooled, spool.pending) == (2, 2)
        assert names(ship(spool)) == ["request-1 answered", "request-2 answered"]
        assert not spool.has_news
        assert (spool.shipped, spool.pending) == (2, 0)


def test_what_was_not_shipped_survives_the_process(tmp_path: Path) -> None:
    spool = a_spool(tmp_path)
    call(spool, 1)
    ship(spool)
    call(spool, 2)
    with killed(spool), closing(a_spool(tmp_path)) as after:
        assert after.pending == 1
        assert names(ship(after)) == ["request-2 answered"]


def test_a_call_that_was_open_when_the_process_died_was_interrupted(tmp_path: Path) -> None:
    spool = a_spool(tmp_path)
    spool.open(begun(1))
    call(spool, 2)
    ship(spool)
    with killed(spool), closing(a_spool(tmp_path)) as after:
        assert names(ship(after)) == ["request-1 interrupted"]
    with closing(a_spool(tmp_path)) as later:
        assert ship(later) == []


@pytest.mark.parametrize("cut", range(2, 60, 7))
def test_a_spool_cut_in_the_middle_of_a_line_loses_that_line_alone(
    tmp_path: Path, cut: int
) -> None:
    spool = a_spool(tmp_path)
    call(spool, 1)
    call(spool, 2)
    with killed(spool):
        newest = max((tmp_path / "spool").glob("*.jsonl"))
        os.truncate(newest, newest.stat().st_size - cut)
        with closing(a_spool(tmp_path)) as after:
            expected = ["request-1 answered", "request-2 interrupted"]
            assert names(ship(after)) == expected


def test_a_last_line_without_its_end_still_counts(tmp_path: Path) -> None:
    spool = a_spool(tmp_path)
    call(spool, 1)
    with killed(spool):
        newest = max((tmp_path / "spool").glob("*.jsonl"))
        os.truncate(newest, newest.stat().st_size - 1)
        with closing(a_spool(tmp_path)) as after:
            assert names(ship(after)) == ["request-1 answered"]


def test_segments_are_rotated_and_shipped_ones_go(tmp_path: Path) -> None:
    with closing(a_spool(tmp_path, segment_bytes=2000)) as spool:
        for number in range(50):
            call(spool, number)
        assert len(list((tmp_path / "spool").glob("*.jsonl"))) > 5
        assert len(ship(spool)) == 50
        assert len(list((tmp_path / "spool").glob("*.jsonl"))) == 1


def test_a_call_that_outlives_its_segment_is_counted_once(tmp_path: Path) -> None:
    spool = a_spool(tmp_path, segment_bytes=2000)
    spool.open(begun(99))
    spool.open(begun(100))
    for number in range(20):
        call(spool, number)
    assert len(ship(spool)) == 20
    spool.settle(a_usage_event(99))
    assert names(ship(spool)) == ["request-99 answered"]
    for number in range(20):
        call(spool, number)
    ship(spool)
    with killed(spool), closing(a_spool(tmp_path)) as after:
        assert names(ship(after)) == ["request-100 interrupted"]


def test_a_rotation_that_was_cut_short_changes_nothing(tmp_path: Path) -> None:
    spool = a_spool(tmp_path)
    spool.open(begun(1))
    with killed(spool):
        (tmp_path / "spool" / "000000000002.jsonl.new").write_bytes(b'{"opened":')
        with closing(a_spool(tmp_path)) as after:
            assert names(ship(after)) == ["request-1 interrupted"]


def test_a_full_spool_drops_what_is_new_and_says_so(tmp_path: Path) -> None:
    with closing(a_spool(tmp_path, limit_bytes=2000)) as spool:
        spool.open(begun(0))
        for number in range(1, 20):
            call(spool, number)
        spool.decide(a_decision())
        spool.settle(a_usage_event(0))
        kept = ship(spool)
        assert kept[-1].request_id == "request-0", "what was opened is settled even then"
        assert spool.dropped == 20 + 1 - len(kept)
        call(spool, 30)
        assert names(ship(spool)) == ["request-30 answered"]


def test_a_full_disk_drops_and_heals(tmp_path: Path) -> None:
    with closing(a_spool(tmp_path)) as spool:
        call(spool, 1)
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        newest = max((tmp_path / "spool").glob("*.jsonl"))
        # In the middle of the next line.
        resource.setrlimit(resource.RLIMIT_FSIZE, (newest.stat().st_size + 20, limits[1]))
        try:
            call(spool, 2)
            call(spool, 3)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        call(spool, 4)
        assert names(ship(spool)) == ["request-1 answered", "request-4 answered"]
        assert spool.dropped == 3, "two calls, and the line that was cut"


def test_a_segment_that_cannot_be_begun_is_no_loss(tmp_path: Path) -> None:
    with closing(a_spool(tmp_path, segment_bytes=1)) as spool:
        blocked = tmp_path / "spool" / "000000000002.jsonl"
        blocked.mkdir()
        call(spool, 1)
        call(spool, 2)
        assert spool.dropped == 0
        blocked.rmdir()
        call(spool, 3)
        assert len(ship(spool)) == 3


def test_a_disk_that_fills_up_during_a_rotation_keeps_what_is_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spool = a_spool(tmp_path, segment_bytes=100)
    spool.open(begun(1))
    spool.open(begun(2))
    write = os.write
    with monkeypatch.context() as patched:
        patched.setattr(
            "gateway.issuer.spool.spool.os.write", lambda fd, data: write(fd, data[:50])
        )
        call(spool, 3)
    assert spool.dropped == 1
    spool.settle(a_usage_event(2))
    with killed(spool), closing(a_spool(tmp_path)) as after:
        assert names(ship(after)) == ["request-2 answered", "request-1 interrupted"]


def test_a_decision_is_shipped_with_the_rest(tmp_path: Path) -> None:
    with closing(a_spool(tmp_path)) as spool:
        spool.decide(a_decision(4))
        assert spool.reader()().decisions == (a_decision(4),)


def test_what_is_shipped_does_not_lie_around_for_long(tmp_path: Path) -> None:
    now = [NOON]
    with closing(Spool(tmp_path, limit_bytes=10**6, clock=lambda: now[0])) as spool:
        call(spool, 1)
        ship(spool)
        spool.retire()
        assert not spool.has_news
        now[0] += LONGEST_SEGMENT_S + 1
        spool.retire()
        ship(spool)
        assert [path.read_bytes() for path in (tmp_path / "spool").glob("*.jsonl")] == [b""]


def test_a_second_process_does_not_take_the_spool(tmp_path: Path) -> None:
    with closing(a_spool(tmp_path)), pytest.raises(StateError, match="spool"):
        a_spool(tmp_path)
    a_spool(tmp_path).close()


def test_only_the_gateway_reads_its_spool(tmp_path: Path) -> None:
    with closing(a_spool(tmp_path)) as spool:
        call(spool, 1)
        ship(spool)
        folder = tmp_path / "spool"
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_a_position_beyond_everything_hides_nothing_new(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    (tmp_path / "spool" / "position.json").write_text('{"segment":9,"offset":5}')
    with closing(a_spool(tmp_path)) as spool:
        call(spool, 1)
        assert names(ship(spool)) == ["request-1 answered"]
