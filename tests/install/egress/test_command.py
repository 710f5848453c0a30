import json
from datetime import UTC, datetime
from pathlib import Path

import pytest

from install.egress.command import said_of
from tests.install.conftest import Run
from tests.install.egress.conftest import TO, Keep

# Its files are read at the end of the run, as those of any home.
pytestmark = pytest.mark.planted_egress(TO)


def test_zero_is_shown_as_zero(home: Path, casemate: Run) -> None:
    assert home.exists()
    code, out, _ = casemate("egress")
    assert code == 0
    assert "instance: 0 refused\ngateway: 0 refused\n" in out
    assert "systemd's address filter counts nothing" in out
    assert json.loads(casemate("status", "--json")[1])["egress_refused"] == 0


def test_an_attempt_is_shown_with_who_made_it(keep: Keep, casemate: Run) -> None:
    keep("vllm")
    out = casemate("egress")[1]
    assert "198.51.100.7 port 443" in out
    assert "vllm.usage:report" in out
    assert "vllm: 1 refused" in out
    assert "attempts to leave, all refused: 1" in casemate("status")[1]


def test_for_scripts_each_attempt_is_whole(keep: Keep, casemate: Run) -> None:
    keep("vllm", what="look-up", port=None)
    told = json.loads(casemate("egress", "--json")[1])
    assert (told["refused"], told["services"]["vllm"], told["kernel"]) == (1, 1, None)
    assert told["attempts"][0]["time"] == "2026-03-04T05:06:07+00:00"
    assert (told["attempts"][0]["what"], told["attempts"][0]["port"]) == ("look-up", None)


def test_older_ones_are_left_out_on_wish(keep: Keep, casemate: Run) -> None:
    keep("vllm")
    keep("vllm", time=datetime.now(UTC).isoformat())
    assert json.loads(casemate("egress", "--json", "--since", "24h")[1])["refused"] == 1


@pytest.mark.parametrize("since", ["24", "h", "0h", "1w", "-1h"])
def test_a_reach_that_is_none_is_refused(home: Path, casemate: Run, since: str) -> None:
    assert home.exists()
    code, _, err = casemate("egress", f"--since={since}")
    assert code == 2
    assert "30m, 24h or 7d" in err


@pytest.mark.parametrize(
    ("kernel", "expected"),
    [
        (
            {"held": True, "problem": None, "dropped": {"forward": 3, "input": 0}},
            "kernel: the lock is there; packets dropped: forward 3, input 0",
        ),
        (
            {"held": False, "problem": "no chain", "dropped": {}},
            "kernel: the lock is not whole: no chain; packets dropped: none",
        ),
    ],
)
def test_the_kernels_count_is_a_sentence(kernel: dict[str, object], expected: str) -> None:
    assert said_of(kernel) == expected


def test_what_a_service_wrote_is_no_markup(keep: Keep, casemate: Run) -> None:
    keep("vllm", service="[/x]", what="[/y]")
    out = casemate("egress")[1]
    assert "[/x]: 1 refused" in out
    assert "[/y]" in out
