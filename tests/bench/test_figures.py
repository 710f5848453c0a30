import pytest

from tests.bench.figures import (
    Spread,
    bootstrap,
    is_bench_limited,
    lost_and_wrong,
    quantile,
    ratios,
    spread,
)


@pytest.mark.parametrize(
    ("share", "expected"), [(0.5, 50.0), (0.99, 99.0), (1.0, 100.0), (0.001, 1.0)]
)
def test_a_quantile_is_the_least_value_that_the_share_does_not_exceed(
    share: float, expected: float
) -> None:
    assert quantile([float(value) for value in range(100, 0, -1)], share) == expected


def test_the_quantile_of_one_value_is_that_value() -> None:
    assert quantile([7.0], 0.99) == 7.0


def test_a_spread_keeps_the_range_of_the_rounds() -> None:
    assert spread([3.0, 1.0, 2.0]) == Spread(median=2.0, low=1.0, high=3.0)


def test_ratios_are_taken_within_a_round() -> None:
    assert ratios([10.0, 40.0], [20.0, 20.0]) == [0.5, 2.0]


@pytest.mark.parametrize(
    ("bench_busy", "way_busy", "is_limited"),
    [(0.99, 0.5, True), (0.99, 0.99, False), (0.5, 0.99, False), (0.5, 0.5, False)],
)
def test_the_bench_is_the_limit_if_its_core_is_full_and_the_ways_is_not(
    *, bench_busy: float, way_busy: float, is_limited: bool
) -> None:
    assert is_bench_limited(bench_busy=bench_busy, way_busy=way_busy) is is_limited


def test_a_stream_that_says_everything_has_lost_nothing() -> None:
    assert lost_and_wrong([" w0", " w1", " w2"], [" w0", " w1", " w2"]) == (0, False)


def test_texts_that_a_peer_joined_are_not_lost() -> None:
    assert lost_and_wrong([" w0 w1", " w2"], [" w0", " w1", " w2"]) == (0, False)


def test_a_missing_text_is_counted_even_if_a_longer_one_contains_it() -> None:
    assert lost_and_wrong([" w0", " w10"], [" w0", " w1", " w10"]) == (1, True)


def test_texts_twice_or_in_another_order_are_wrong_but_not_lost() -> None:
    assert lost_and_wrong([" w1", " w0"], [" w0", " w1"]) == (0, True)
    assert lost_and_wrong([" w0", " w0", " w1"], [" w0", " w1"]) == (0, True)


def test_a_bootstrapped_interval_holds_the_mean_and_narrows_with_more_values() -> None:
    few, many = [0.9, 1.1] * 5, [0.9, 1.1] * 100
    wide, narrow = bootstrap(few, draws=500), bootstrap(many, draws=500)
    assert wide.middle == pytest.approx(1.0)
    assert wide.low < wide.middle < wide.high
    assert narrow.high - narrow.low < wide.high - wide.low


def test_equal_values_have_an_interval_without_width() -> None:
    found = bootstrap([2.0] * 10, draws=50)
    assert (found.low, found.middle, found.high) == (2.0, 2.0, 2.0)
