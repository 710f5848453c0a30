"""What the gateway costs in front of real vLLM: the same prompts direct and through it, in turns.

`python -m tests.bench.real_model [--home FOLDER]` brings an appliance up from this clone as a
person would (a home that was brought up before is used again, else one is made), and asks its
model server directly and through its gateway: several streams at once, each to the same number of
tokens, at temperature 0. The order is turned round at every pair, and ratios are taken in a pair.
"""

import argparse
import asyncio
import json
import os
import platform
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import geometric_mean
from typing import Any

import uvloop

from tests.bench.driver import StreamClient, Streamed, Target, stream
from tests.bench.figures import Interval, bootstrap, quantile
from tests.system.driver import Appliance

STREAMS, TOKENS = 8, 64
TOPICS = ("networks", "rivers", "bread", "the moon", "bicycles", "glass", "bees", "maps")
# Well before the 15 minutes that an access token lives.
TOKEN_RENEWED_AFTER_S = 600
# What the gateway is held to, as shares of direct.
LEAST_THROUGHPUT, MOST_TOKEN_TIME = 0.99, 1.01


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What the streams of one turn brought."""

    tokens_per_s: float
    first_token_ms: float
    token_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """The same prompts both ways, one right after the other."""

    direct: Turn
    gateway: Turn
    direct_first: bool


def turn_of(run: Sequence[Streamed], *, wall_s: float) -> Turn:
    """Medians over the streams of a turn; every stream has `TOKENS` tokens."""
    return Turn(
        tokens_per_s=len(run) * TOKENS / wall_s,
        first_token_ms=1e3 * quantile([each.first_s for each in run], 0.5),
        token_ms=1e3 * quantile([(each.took_s - each.first_s) / (TOKENS - 1) for each in run], 0.5),
    )


async def take_turn(target: Target, *, model: str, streams: int) -> Turn:
    """Asks all prompts at once and waits for the last answer."""
    clients = [
        StreamClient(
            target.request(
                prompt=f"Tell me about {TOPICS[number % len(TOPICS)]}, {number}.",
                model=model,
                max_tokens=TOKENS,
                temperature=0,
                ignore_eos=True,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
        for number in range(streams)
    ]
    started = time.perf_counter()
    run = await asyncio.gather(*(stream(each, target) for each in clients))
    wall_s = time.perf_counter() - started
    for each in run:
        if f'"completion_tokens":{TOKENS}'.encode() not in b"".join(each.parts):
            raise RuntimeError(b"".join(each.parts)[-400:].decode())
    return turn_of(run, wall_s=wall_s)


def targets(appliance: Appliance) -> dict[str, Target]:
    """The model server itself, and the gateway with a new access token."""
    api_key = (appliance.home / "model_server" / "api_key").read_text().strip()
    return {
        "direct": Target(port=appliance.ports["MODEL_PORT"], bearer=api_key),
        "gateway": Target(port=appliance.ports["GATEWAY_PORT"], bearer=appliance.access_token()),
    }


async def measure(appliance: Appliance, *, pairs: int, streams: int) -> list[Pair]:
    """Alternates; the first pair warms both ways up and is not kept."""
    model = appliance.told["model"]
    found: list[Pair] = []
    asked, renewed = targets(appliance), time.monotonic()
    for number in range(pairs + 1):
        if time.monotonic() > renewed + TOKEN_RENEWED_AFTER_S:
            asked, renewed = targets(appliance), time.monotonic()
        order = ("direct", "gateway") if number % 2 else ("gateway", "direct")
        turns = {way: await take_turn(asked[way], model=model, streams=streams) for way in order}
        pair = Pair(**turns, direct_first=order[0] == "direct")
        if number:
            found.append(pair)
            told = " | ".join(
                f"{way} {turns[way].tokens_per_s:.1f} tokens/s" for way in sorted(turns)
            )
            print(f"{number}/{pairs}: {told}", file=sys.stderr, flush=True)
    return found


def compared(pairs: Sequence[Pair]) -> dict[str, Interval]:
    """Each figure through the gateway against direct, with its interval over the pairs."""
    throughput = [pair.gateway.tokens_per_s / pair.direct.tokens_per_s for pair in pairs]
    token_time = [pair.gateway.token_ms / pair.direct.token_ms for pair in pairs]
    # The arithmetic mean of ratios is over 1 for two equal ways that vary; the geometric is not.
    return {
        "throughput_ratio": bootstrap(throughput, statistic=geometric_mean),
        "token_time_ratio": bootstrap(token_time, statistic=geometric_mean),
        "first_token_added_ms": bootstrap(
            [pair.gateway.first_token_ms - pair.direct.first_token_ms for pair in pairs]
        ),
    }


def verdict(interval: Interval, *, at_least: float | None = None, at_most: float = 0.0) -> str:
    """Whether the interval lies on the right side, on the wrong one, or on both."""
    low, high, bound = interval.low, interval.high, at_most
    if at_least is not None:
        # The same question, turned round.
        low, high, bound = -interval.high, -interval.low, -at_least
    if high <= bound:
        return "holds"
    return "does not hold" if low > bound else "undecided: the interval holds the bound"


def summary(results: dict[str, Any]) -> str:
    """The comparison as text."""
    found = {name: Interval(**each) for name, each in results["compared"].items()}
    throughput, token, first = (
        found[name] for name in ("throughput_ratio", "token_time_ratio", "first_token_added_ms")
    )
    pairs = results["pairs"]
    middle = {
        (way, figure): quantile([pair[way][figure] for pair in pairs], 0.5)
        for way in ("direct", "gateway")
        for figure in ("tokens_per_s", "first_token_ms", "token_ms")
    }
    lines = ["| median of the pairs | direct | through the gateway |", "|---|---|---|"]
    for title, figure in (
        ("tokens/s", "tokens_per_s"),
        ("time to the first token, ms", "first_token_ms"),
        ("time per token, ms", "token_ms"),
    ):
        cells = " | ".join(f"{middle[way, figure]:.1f}" for way in ("direct", "gateway"))
        lines.append(f"| {title}, {results['load']['streams']} streams | {cells} |")
    holds = verdict(throughput, at_least=LEAST_THROUGHPUT)
    holds_token = verdict(token, at_most=MOST_TOKEN_TIME)
    return "\n".join(
        [
            *lines,
            "",
            f"throughput, gateway to direct: {_told(throughput)}; at least 0.99: {holds}",
            f"time per token, gateway to direct: {_told(token)}; at most 1.01: {holds_token}",
            f"first token later by, ms: {_told(first)}",
        ]
    )


def _told(interval: Interval) -> str:
    return f"{interval.middle:.4f} (95 %: {interval.low:.4f} to {interval.high:.4f})"


def run_on(appliance: Appliance, chosen: argparse.Namespace) -> dict[str, Any]:
    """Brings the appliance up, measures, and brings it down."""
    print("bringing the appliance up ...", file=sys.stderr, flush=True)
    appliance.up()
    try:
        pairs = uvloop.run(measure(appliance, pairs=chosen.pairs, streams=chosen.streams))
    finally:
        appliance.casemate("down")
    return {
        "measured_at": time.strftime("%Y-%m-%d %H:%M", time.gmtime()) + " UTC",
        "machine": {
            "cores": os.cpu_count(),
            "load_average_after": os.getloadavg()[1],
            "kernel": platform.release(),
            "python": platform.python_version(),
        },
        "model": appliance.told["model"],
        "load": {"streams": chosen.streams, "tokens_per_stream": TOKENS, "temperature": 0},
        "compared": {name: asdict(each) for name, each in compared(pairs).items()},
        "pairs": [asdict(pair) for pair in pairs],
    }


def main() -> None:
    """Measures and sums up; `--out` keeps the raw figures."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--home", type=Path, help="an appliance's home to use; else a new one")
    parser.add_argument("--pairs", type=int, default=100, help="how often both are asked (100)")
    parser.add_argument("--streams", type=int, default=STREAMS, help=f"at once ({STREAMS})")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep the raw figures there")
    chosen = parser.parse_args()
    # Told to end, it takes the appliance down.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as folder:
        results = run_on(Appliance(home=chosen.home or Path(folder)), chosen)
    if chosen.out:
        chosen.out.mkdir(parents=True, exist_ok=True)
        (chosen.out / "real_model.json").write_text(json.dumps(results, indent=1) + "\n")
    print(summary(results))


if __name__ == "__main__":
    main()
