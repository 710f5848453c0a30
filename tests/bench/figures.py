"""The arithmetic of the benches: quantiles, what is added, medians of rounds, who was the limit."""

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean, median

# Above this share of its core, the bench itself may have been what was measured.
BENCH_BUSY_LIMIT = 0.85


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """The median of the rounds, and the lowest and the highest of them."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A middle, and the bounds that hold it with 95 % confidence."""

    middle: float
    low: float
    high: float


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of the values do not exceed; nearest rank."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def spread(values: Sequence[float]) -> Spread:
    """What is told of one figure over the rounds."""
    return Spread(median=median(values), low=min(values), high=max(values))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> list[float]:
    """Ours to theirs, each within its round: the machine drifts from round to round."""
    return [one / other for one, other in zip(ours, theirs, strict=True)]


def is_bench_limited(*, bench_busy: float, way_busy: float) -> bool:
    """Whether the mock and the driver, rather than what stands between, set the figure.

    Both are shares of one core. A way that fills its own core is its own limit.
    """
    return bench_busy > BENCH_BUSY_LIMIT and way_busy < BENCH_BUSY_LIMIT


def lost_and_wrong(contents: Sequence[str], expected: Sequence[str]) -> tuple[int, bool]:
    """How many expected texts never came, and whether what came is not exactly the expected.

    A peer may join or cut events, so the text is compared, not the number of events.
    """
    text = "".join(contents)
    came = set(text.replace(" ", "\n ").split("\n"))
    return sum(each not in came for each in expected), text != "".join(expected)


def bootstrap(
    values: Sequence[float],
    *,
    statistic: Callable[[Sequence[float]], float] = fmean,
    draws: int = 10_000,
    seed: int = 1,
) -> Interval:
    """The 95 % interval of a statistic over independent values, by the percentile bootstrap."""
    chance = random.Random(seed)
    drawn = sorted(statistic(chance.choices(values, k=len(values))) for _ in range(draws))
    return Interval(
        middle=statistic(values), low=quantile(drawn, 0.025), high=quantile(drawn, 0.975)
    )
