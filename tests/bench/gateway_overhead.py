"""What the gateway costs, beside its peers, in one run, with its policy fully on.

`python -m tests.bench.gateway_overhead [--peers]` starts a mock endpoint, a fake instance and a
real gateway process, and takes turns between asking directly, through a bare pipe of bytes (the
floor of any proxy on this machine and in this minute), through the gateway, and with `--peers`
through other gateways. The way that is measured has a core to itself where there are two.
"""

import argparse
import json
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import uvloop

from tests.bench.chart import Panel, draw
from tests.bench.figures import Spread
from tests.bench.loads import (
    CONNECTIONS,
    CROWD,
    LOADS,
    PACE_MS,
    PACED,
    RATE_PER_S,
    SLOW_PACED,
    SLOW_RATE_PER_S,
    Bench,
    Figures,
    Load,
    pin_driver,
)
from tests.bench.machine import machine
from tests.bench.peers.environments import PeerUnavailableError, default_cache
from tests.bench.peers.programs import PEERS
from tests.bench.processes import Cores, allowed_cores
from tests.bench.report import LABELS, ORDER, ROWS, load_of, row_values, summary
from tests.bench.ways import NotForwardedError, Starter, Way, check, served_by
from tests.conftest import a_free_port

CHARTED = tuple(
    (row, "µs" if "CPU" in row.title else "ms")
    for row in ROWS
    if "CPU" in row.title or row.figure == "first_p50_ms"
)
LEAST_DRAWN = 0.01
Rounds = list[dict[str, dict[str, Figures]]]


def say(line: str) -> None:
    """Progress, apart from the result."""
    print(line, file=sys.stderr, flush=True)


async def start_ways(
    starter: Starter, chosen: argparse.Namespace
) -> tuple[list[Way], dict[str, str]]:
    """Every way that was asked for and can be had, and why the others cannot."""
    ways = [await starter.direct(), await starter.pipe(), await starter.gateway()]
    left_out: dict[str, str] = {}
    served = served_by(starter.mock_port)
    for peer in PEERS:
        if not chosen.peers or (chosen.only and peer.name not in chosen.only):
            continue
        say(f"starting {peer.name} {peer.version}")
        try:
            way = await starter.peer(peer, chosen.cache)
            await check(way, served)
        except (PeerUnavailableError, NotForwardedError) as failure:
            left_out[peer.name] = str(failure)
            say(f"*** LEFT OUT: {failure}")
        else:
            ways.append(way)
    for way in ways[:3]:
        await check(way, served)
    return [way for way in ways if not chosen.only or way.name in chosen.only], left_out


async def one_round(
    ways: Sequence[Way], loads: Sequence[Load], bench: Bench, seconds: float
) -> dict[str, dict[str, Figures]]:
    """Every load, and within it every way after the other."""
    found: dict[str, dict[str, Figures]] = {}
    for load in loads:
        taken = [way for way in ways if load.takes(way, ways)]
        found[load.name] = {way.name: await load.measure(bench, way, seconds) for way in taken}
        for name, figures in found[load.name].items():
            say(f"  {load.name:10} {name:12} {json.dumps(figures)}")
    return found


async def measure(chosen: argparse.Namespace, folder: Path, stack: ExitStack) -> dict[str, Any]:
    """Starts everything, warms it up, and measures."""
    cores = allowed_cores()
    if not cores.are_apart:
        say("*** ONE CORE ONLY: the bench and what it measures share it")
    starter = Starter(stack=stack, folder=folder, cores=cores, mock_port=a_free_port())
    ways, left_out = await start_ways(starter, chosen)
    direct = next(way for way in ways if way.name == "direct")
    pin_driver(cores.bench)
    bench = Bench(mock_pid=direct.pid)
    at_rest = {way.name: round(way.memory_mb(), 1) for way in ways}
    loads = [load for load in LOADS if not chosen.loads or load.name in chosen.loads]
    say("warming up")
    await one_round(ways, loads[:1], bench, chosen.seconds)
    rounds: Rounds = []
    for number in range(chosen.rounds):
        say(f"round {number + 1} of {chosen.rounds}")
        rounds.append(await one_round(ways, loads, bench, chosen.seconds))
    return {
        **facts(cores, chosen),
        "versions": {way.name: way.version for way in ways if way.version},
        "left_out": left_out,
        "memory_mb": {
            way.name: {
                "at_rest": at_rest[way.name],
                "after": round(way.memory_mb(), 1),
                "peak": round(way.memory_mb(peak=True), 1),
            }
            for way in ways
        },
        "rounds": rounds,
    }


def facts(cores: Cores, chosen: argparse.Namespace) -> dict[str, Any]:
    """The machine and the load, as far as they bear on the figures."""
    return {
        "measured_at": time.strftime("%Y-%m-%d %H:%M", time.gmtime()) + " UTC",
        "machine": {**machine(), "way_has_its_own_core": cores.are_apart},
        "load": {
            "rounds": chosen.rounds,
            "seconds": chosen.seconds,
            "connections": CONNECTIONS,
            "rate_per_s": RATE_PER_S,
            "slow_rate_per_s": SLOW_RATE_PER_S,
            "pace_ms": PACE_MS,
            "paced_streams": PACED,
            "slow_paced_streams": SLOW_PACED,
            "crowd_streams": CROWD,
        },
    }


def arguments() -> argparse.Namespace:
    """What was asked for."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--peers", action="store_true", help="measure other gateways too")
    parser.add_argument("--rounds", type=int, default=5, help="how often each is measured (5)")
    parser.add_argument("--seconds", type=float, default=4, help="of each load in a round (4)")
    parser.add_argument("--only", nargs="+", choices=ORDER, help="measure these ways and `direct`")
    names = [load.name for load in LOADS]
    parser.add_argument("--loads", nargs="+", choices=names, help="measure under these loads")
    parser.add_argument("--cache", type=Path, default=default_cache(), help="where peers go")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep figures and chart there")
    parser.add_argument(
        "--again", type=Path, metavar="FILE", help="measure nothing; sum these raw figures up"
    )
    chosen = parser.parse_args()
    if chosen.only:
        chosen.only = {"direct", *chosen.only}
    return chosen


def drawable(value: Spread) -> Spread:
    """What a logarithmic axis can show of it: a way may seem to add nothing, or less."""
    return Spread(
        median=max(LEAST_DRAWN, value.median),
        low=max(LEAST_DRAWN, value.low),
        high=max(LEAST_DRAWN, value.high),
    )


def chart(results: dict[str, Any]) -> str:
    """The table's main figures as a picture."""
    panels = []
    for row, unit in CHARTED:
        values = row_values(results, row)
        shown = {
            LABELS[way] + ("" if load_of(results, row, way) == row.load else "†"): drawable(value)
            for way, value in values.items()
            if way != "direct"
        }
        title = row.title.format(**results["load"]).rpartition(", ")[0] or row.title
        panels.append(Panel(title=title, unit=unit, values=shown, ours=LABELS["gateway"]))
    heading = f"Median of {len(results['rounds'])} rounds; the line is their range."
    if any(name.endswith("†") for panel in panels for name in panel.values):
        heading += f" † with {results['load']['slow_paced_streams']} streams, which it bears."
    return draw(panels, heading=heading)


def main() -> None:
    """Measures and sums up; `--out` keeps the raw figures and the chart."""
    chosen = arguments()
    # Told to end, it unwinds and ends what it started.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if chosen.again:
        results = json.loads(chosen.again.read_text())
    else:
        with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
            results = uvloop.run(measure(chosen, Path(folder), stack))
    if chosen.out:
        chosen.out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(results, indent=1)
        (chosen.out / "gateway_overhead.json").write_text(text + "\n")
        (chosen.out / "gateway_overhead.svg").write_text(chart(results))
    print(summary(results))


if __name__ == "__main__":
    main()
