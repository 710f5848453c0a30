"""The loads of the bench, and what each measures of one way in one round."""

import os
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from tests.bench.driver import Streamed, closed_loop, fixed_rate, streams
from tests.bench.figures import is_bench_limited, lost_and_wrong, quantile
from tests.bench.processes import cpu_s, machine_cpu_s
from tests.bench.ways import Way, expected_texts

CONNECTIONS = 16
RATE_PER_S, SLOW_RATE_PER_S = 500, 100
PACE_MS = 20
PACED, SLOW_PACED, CROWD = 50, 10, 400

Figures = dict[str, float | bool]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """The CPU time of the bench itself: of the mock endpoint and of this process."""

    mock_pid: int

    def cpu_s(self) -> float:
        return cpu_s(self.mock_pid) + time.process_time()


Measure = Callable[[Bench, Way, float], Awaitable[Figures]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One load; `for_slow` says whether it is one that slow ways can bear."""

    name: str
    measure: Measure
    for_slow: bool | None = None

    def takes(self, way: Way, ways: Sequence[Way]) -> bool:
        """Whether the way is measured: at a slow load only what is compared with slow ways."""
        if self.for_slow is None:
            return True
        if self.for_slow:
            return any(each.is_slow for each in ways) and (
                way.is_slow or way.name in {"direct", "gateway"}
            )
        return not way.is_slow


@dataclass(slots=True)
class Meter:
    """What a way and the bench used between two moments."""

    bench: Bench
    way: Way
    way_s: float = 0.0
    bench_s: float = 0.0
    machine_s: float = 0.0
    wall_s: float = 0.0

    def __enter__(self) -> "Meter":
        self.read(-1)
        return self

    def __exit__(self, *failure: object) -> None:
        self.read(1)

    def read(self, sign: int) -> None:
        """Takes (-1) or adds (1) what has been used so far."""
        self.way_s += sign * self.way.cpu_s()
        self.bench_s += sign * self.bench.cpu_s()
        self.machine_s += sign * machine_cpu_s()
        self.wall_s += sign * time.perf_counter()

    def busy(self) -> Figures:
        """The shares of a core that each took, others too, and whether the bench was the limit."""
        way, bench = self.way_s / self.wall_s, self.bench_s / self.wall_s
        ours_s = self.bench_s + (0.0 if self.way.pid == self.bench.mock_pid else self.way_s)
        others_s = max(0.0, self.machine_s - ours_s)
        return {
            "others_busy": round(others_s / self.wall_s, 3),
            "way_busy": round(way, 3),
            "bench_busy": round(bench, 3),
            "bench_limited": is_bench_limited(bench_busy=bench, way_busy=way),
        }


async def whole(bench: Bench, way: Way, seconds: float) -> Figures:
    """Requests as fast as some connections go."""
    with Meter(bench, way) as meter:
        run = await closed_loop(way.target, connections=CONNECTIONS, seconds=seconds)
    done = len(run.latencies_s)
    return {
        "requests": done,
        "cpu_us": round(1e6 * meter.way_s / done, 2),
        "per_s": round(done / run.wall_s, 1),
        "p50_ms": round(1e3 * quantile(run.latencies_s, 0.5), 3),
        "p99_ms": round(1e3 * quantile(run.latencies_s, 0.99), 3),
        **meter.busy(),
    }


def at_rate(per_s: int) -> Measure:
    """Latency at a fixed rate."""

    async def measure(bench: Bench, way: Way, seconds: float) -> Figures:
        with Meter(bench, way) as meter:
            run = await fixed_rate(way.target, per_s=per_s, seconds=seconds)
        return {
            "requests": len(run.latencies_s),
            "cpu_us": round(1e6 * meter.way_s / len(run.latencies_s), 2),
            "p50_ms": round(1e3 * quantile(run.latencies_s, 0.5), 3),
            "p99_ms": round(1e3 * quantile(run.latencies_s, 0.99), 3),
            "sent_late_p99_ms": round(1e3 * quantile(run.late_s, 0.99), 3),
            **meter.busy(),
        }

    return measure


def paced_streams(count: int) -> Measure:
    """Streams at once, each at its pace."""

    async def measure(bench: Bench, way: Way, seconds: float) -> Figures:
        chunks = max(2, round(1e3 * seconds / PACE_MS))
        window = Meter(bench, way)
        seen: list[int] = []

        def mark(events: int) -> None:
            window.read(1 if seen else -1)
            seen.append(events)

        with Meter(bench, way) as meter:
            run = await streams(
                way.target, count=count, chunks=chunks, pace_ms=PACE_MS, while_all_run=mark
            )
        whole_us = 1e6 * meter.way_s / (count * chunks)
        came = seen[1] - seen[0]
        keeps_pace = came > 0.8 * count * window.wall_s * 1000 / PACE_MS
        return {
            # Of the chunks that came while all streams ran: beginning a stream is a request's cost.
            # Of a way that falls behind, so that they never all run, the whole is what there is.
            "cpu_us": round(1e6 * window.way_s / came if keeps_pace else whole_us, 2),
            "cpu_us_with_begin": round(whole_us, 2),
            "keeps_pace": keeps_pace,
            **stream_figures(run, chunks=chunks),
            **(window if keeps_pace else meter).busy(),
        }

    return measure


def stream_figures(run: Sequence[Streamed], *, chunks: int) -> Figures:
    """What streams brought; one that never brought a first chunk counts as lost."""
    expected = expected_texts(chunks)
    compared = [lost_and_wrong(each.contents(), expected) for each in run]
    begun = [each.first_s for each in run if each.first_s] or [float("inf")]
    ideal_s = (chunks - 1) * PACE_MS / 1000
    return {
        "streams": len(run),
        "chunks": len(run) * chunks,
        "first_p50_ms": round(1e3 * quantile(begun, 0.5), 3),
        "first_p99_ms": round(1e3 * quantile(begun, 0.99), 3),
        "lost": sum(lost for lost, _ in compared),
        "wrong_streams": sum(is_wrong for _, is_wrong in compared),
        "unfinished": sum(not each.took_s for each in run),
        "slower_than_paced": round(quantile([each.took_s for each in run], 0.5) / ideal_s, 3),
    }


LOADS = (
    Load(name="whole", measure=whole),
    Load(name="rate", measure=at_rate(RATE_PER_S), for_slow=False),
    Load(name="slow_rate", measure=at_rate(SLOW_RATE_PER_S), for_slow=True),
    Load(name="paced", measure=paced_streams(PACED), for_slow=False),
    Load(name="slow_paced", measure=paced_streams(SLOW_PACED), for_slow=True),
    Load(name="crowd", measure=paced_streams(CROWD)),
)


def pin_driver(core: int) -> None:
    """Keeps this process, which drives the load, on the core of the bench."""
    os.sched_setaffinity(0, {core})
