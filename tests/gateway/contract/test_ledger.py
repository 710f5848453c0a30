import json
import stat
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from gateway.contract.egress import EgressRefusedError
from gateway.contract.ledger import Attempt, Ledger, What
from gateway.contract.recorder import EgressRecorder

AT = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
AN_ATTEMPT = Attempt(what=What.CONNECT, host="198.51.100.7", port=443)


def a_ledger(folder: Path, **more: Any) -> Ledger:
    return Ledger(folder, "gateway", clock=lambda: AT, **more)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_there_is_no_file_before_the_first_attempt(tmp_path: Path) -> None:
    a_ledger(tmp_path / "kept")
    assert list(tmp_path.iterdir()) == []


def test_an_attempt_is_a_line_that_says_when_who_and_where_to(tmp_path: Path) -> None:
    a_ledger(tmp_path / "kept").refused(AN_ATTEMPT)
    path = tmp_path / "kept" / "gateway.jsonl"
    line = lines(path)[0]
    assert line.pop("pid") > 0
    assert any(name.endswith("who_and_where_to") for name in line.pop("by"))
    assert line == {
        "time": "2026-03-04T05:06:07.000+00:00",
        "service": "gateway",
        "what": "connect",
        "host": "198.51.100.7",
        "port": 443,
        "outcome": "refused",
    }
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_it_takes_no_more_room_than_two_files_of_the_size(tmp_path: Path) -> None:
    ledger = a_ledger(tmp_path, most_bytes=2000)
    for port in range(100):
        ledger.refused(Attempt(what=What.CONNECT, host="198.51.100.7", port=port))
    files = sorted(tmp_path.iterdir())
    assert {path.name for path in files} <= {"gateway.jsonl", "gateway.jsonl.1"}
    kept = [line["port"] for path in reversed(files) for line in lines(path)]
    assert kept == list(range(100 - len(kept), 100))
    assert sum(path.stat().st_size for path in files) < 5000


def test_what_cannot_be_written_troubles_nobody(tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("no folder")
    a_ledger(tmp_path / "kept").refused(AN_ATTEMPT)


@pytest.mark.parametrize(
    ("event", "args", "expected"),
    [
        ("socket.connect", (object(), ("198.51.100.7", 443)), ("connect", "198.51.100.7", 443)),
        ("socket.sendto", (object(), ("198.51.100.7", 53)), ("send", "198.51.100.7", 53)),
        ("socket.getaddrinfo", ("telemetry.example", 443), ("look-up", "telemetry.example", None)),
    ],
)
def test_what_a_recorder_refuses_is_in_it(
    tmp_path: Path, event: str, args: tuple[object, ...], expected: tuple[object, ...]
) -> None:
    recorder = EgressRecorder(lambda _: None, ledger=a_ledger(tmp_path))
    with pytest.raises(EgressRefusedError):
        recorder(event, args)
    [line] = lines(tmp_path / "gateway.jsonl")
    assert (line["what"], line["host"], line["port"]) == expected
