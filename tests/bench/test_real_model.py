import pytest

from tests.bench.driver import Streamed
from tests.bench.figures import Interval
from tests.bench.real_model import TOKENS, Pair, Turn, compared, turn_of, verdict


def a_turn(tokens_per_s: float) -> Turn:
    return Turn(tokens_per_s=tokens_per_s, first_token_ms=100.0, token_ms=1000 / tokens_per_s)


def an_interval(low: float, high: float) -> Interval:
    return Interval(middle=(low + high) / 2, low=low, high=high)


def test_a_turn_is_summed_up_from_its_streams() -> None:
    run = [Streamed(first_s=0.1, took_s=0.1 + (TOKENS - 1) * 0.02) for _ in range(4)]
    turn = turn_of(run, wall_s=2.0)
    assert turn.tokens_per_s == 2 * TOKENS
    assert turn.first_token_ms == pytest.approx(100)
    assert turn.token_ms == pytest.approx(20)


def test_ways_that_only_vary_are_found_equal() -> None:
    fast, slow = a_turn(200.0), a_turn(50.0)
    pairs = [
        Pair(direct=fast, gateway=slow, direct_first=True),
        Pair(direct=slow, gateway=fast, direct_first=False),
    ] * 10
    assert compared(pairs)["throughput_ratio"].middle == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.992, 1.002, "holds"), (0.95, 0.98, "does not hold"), (0.98, 1.01, "undecided")],
)
def test_throughput_is_judged_by_the_whole_interval(low: float, high: float, expected: str) -> None:
    assert verdict(an_interval(low, high), at_least=0.99).startswith(expected)


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(0.99, 1.009, "holds"), (1.02, 1.03, "does not hold"), (0.99, 1.02, "undecided")],
)
def test_time_per_token_is_judged_by_the_whole_interval(
    low: float, high: float, expected: str
) -> None:
    assert verdict(an_interval(low, high), at_most=1.01).startswith(expected)
