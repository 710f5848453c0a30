from datetime import UTC, datetime
from pathlib import Path

import pytest

from install.config import Config
from install.egress.ledgers import Found, collect
from install.egress.looking import look
from install.places import Places
from tests.install.egress.conftest import TO, Keep

# Its files are read at the end of the run, as those of any home.
pytestmark = pytest.mark.planted_egress(TO)


def look_here(home: Path) -> Found:
    return look(Places(home=home, uid=0), Config())


def test_nothing_was_refused_where_there_is_no_file(home: Path) -> None:
    found = look_here(home)
    assert found.counts == {"instance": 0, "gateway": 0, "model-server": 0, "vllm": 0}
    assert (found.refused, found.unread, found.cut) == (0, (), ())


def test_what_cannot_be_looked_into_is_not_zero() -> None:
    found = collect(lambda service, _: b"" if service == "gateway" else None)
    assert (found.counts, found.unread) == ({"gateway": 0}, ("instance", "model-server", "vllm"))
    assert collect(lambda *_: None).refused is None


def test_the_latest_is_last_over_files_and_services(home: Path, keep: Keep) -> None:
    keep("vllm", time="2026-03-04T05:06:09+00:00", port=3)
    keep("gateway", time="2026-03-04T05:06:08+00:00", port=2)
    keep("vllm", older=True, time="2026-03-04T05:06:07+00:00", port=1)
    found = look_here(home)
    assert [each.port for each in found.attempts] == [1, 2, 3]
    assert (found.counts["vllm"], found.cut) == (2, ("vllm",))


def test_only_what_came_since_counts(home: Path, keep: Keep) -> None:
    keep("vllm", time="2026-03-04T05:06:06+00:00")
    keep("vllm", time="2026-03-04T05:06:07+00:00")
    found = look_here(home).since(datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC))
    assert found.refused == 1


def test_a_line_that_is_none_is_left_out(home: Path, keep: Keep) -> None:
    keep("vllm")
    with (home / "egress" / "vllm.jsonl").open("a") as ledger:
        ledger.write('{"time": "2026-03-\n[]\n{}\n')
    assert look_here(home).refused == 1


@pytest.mark.parametrize(
    "line",
    [
        '{"time": "2026-03-04T05:06:07", "service": "x", "pid": 1, "what": "x", "host": "x"}',
        '{"time": "0001-01-01T00:00:00+23:59", "service": "x", "pid": 1, "what": "", "host": ""}',
        '{"time": "2026-03-04T05:06:07Z", "service": "x", "pid": 1e999, "what": "", "host": ""}',
        "[" * 100_000,
        '"text"',
    ],
    ids=["no zone", "before time", "endless", "deep", "no object"],
)
def test_a_service_cannot_end_the_reader_by_its_ledger(line: str) -> None:
    good = '{"time": "2026-03-04T05:06:07Z", "service": "x", "pid": 1, "what": "", "host": ""}'
    found = collect(lambda *_: f"{line}\n{good}\n".encode())
    assert found.refused == 8


def test_a_service_cannot_write_to_the_terminal(home: Path, keep: Keep) -> None:
    keep("vllm", service="\x1b[2J", what="\ud800")
    (found,) = look_here(home).attempts
    assert (found.service, found.what) == ("?[2J", "?")
