from typing import Any

import pytest

from tests.bench.figures import Spread
from tests.bench.report import (
    ROWS,
    gateway_ratios,
    is_limited,
    of_rounds,
    row_values,
    summary,
    warnings,
)

LOAD = {
    "rate_per_s": 500,
    "slow_rate_per_s": 100,
    "pace_ms": 20,
    "paced_streams": 50,
    "slow_paced_streams": 10,
    "crowd_streams": 400,
}


def figures(cpu_us: float, **changes: Any) -> dict[str, Any]:
    return {
        "cpu_us": cpu_us,
        "per_s": 1e6 / cpu_us,
        "p50_ms": cpu_us / 100,
        "p99_ms": cpu_us / 10,
        "first_p50_ms": cpu_us / 100,
        "first_p99_ms": cpu_us / 10,
        "lost": 0,
        "chunks": 1000,
        "bench_limited": False,
        "others_busy": 0.0,
        **changes,
    }


def a_round(factor: float = 1.0) -> dict[str, Any]:
    """The gateway takes 100, a router 50, and LiteLLM, which is slow, 5,000."""
    fast = {"direct": 10.0, "gateway": 100.0, "vllm-router": 50.0}
    slow = {"direct": 10.0, "gateway": 100.0, "litellm": 5000.0}
    taken = {
        "whole": fast | slow,
        "rate": fast,
        "slow_rate": slow,
        "paced": fast,
        "slow_paced": slow,
        "crowd": fast | slow,
    }
    return {
        load: {way: figures(cpu * factor) for way, cpu in ways.items()}
        for load, ways in taken.items()
    }


def results(*rounds: dict[str, Any], **changes: Any) -> dict[str, Any]:
    ways = ("direct", "gateway", "vllm-router", "litellm")
    return {
        "machine": {"way_has_its_own_core": True},
        "load": LOAD,
        "versions": {"litellm": "1.106.0"},
        "left_out": {},
        "memory_mb": {way: {"at_rest": 50.0, "after": 60.0, "peak": 70.0} for way in ways},
        "rounds": list(rounds) or [a_round()],
        **changes,
    }


def test_what_is_added_is_counted_from_direct_in_the_same_round() -> None:
    found = results(a_round(), a_round(factor=2.0))
    added = of_rounds(found, load="rate", way="gateway", figure="p50_ms", added=True)
    assert added == pytest.approx([0.9, 1.8])


def test_ratios_of_rounds_do_not_suffer_from_a_drifting_machine() -> None:
    found = gateway_ratios(results(a_round(), a_round(factor=3.0)))
    assert found["vllm-router"]["request"] == Spread(median=2.0, low=2.0, high=2.0)
    assert found["litellm"]["chunk, paced"].median == pytest.approx(0.02)


def test_a_slow_way_is_told_from_the_slow_load() -> None:
    latency = next(row for row in ROWS if row.load == "rate")
    values = row_values(results(), latency)
    assert values["litellm"].median == pytest.approx(49.9)
    assert "direct" not in values


def test_the_table_marks_what_was_measured_under_a_slower_load() -> None:
    text = summary(results())
    assert "† at 100 requests/s and with 10 streams" in text
    assert "LiteLLM 1.106.0" in text


def test_the_bench_is_the_limit_if_it_was_in_most_rounds() -> None:
    limited = a_round()
    limited["whole"]["gateway"]["bench_limited"] = True
    assert is_limited(results(limited, limited, a_round()), load="whole", way="gateway")
    assert not is_limited(results(limited, a_round()), load="whole", way="gateway")
    assert "BENCH IS THE LIMIT: whole, gateway" in summary(results(limited))


def test_a_quiet_complete_run_warns_of_nothing() -> None:
    assert warnings(results()) == []


def test_a_missing_peer_and_a_shared_core_are_told_loudly() -> None:
    told = summary(
        results(left_out={"portkey": "portkey: no node"}, machine={"way_has_its_own_core": False})
    )
    assert "*** LEFT OUT: portkey: no node" in told
    assert "*** ONE CORE" in told


def test_busy_neighbours_are_told() -> None:
    noisy = a_round()
    for ways in noisy.values():
        for each in ways.values():
            each["others_busy"] = 0.7
    assert warnings(results(noisy)) == ["NOT QUIET: others used 70% of a core meanwhile"]
