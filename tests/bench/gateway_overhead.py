"""What the gateway costs: against the endpoint itself, in one run, with its policy fully on.

`python -m tests.bench.gateway_overhead [--quick] [--out FILE]` starts a mock endpoint, a fake
instance and a real gateway process, and takes turns between asking directly, through a bare pipe
of bytes (the floor of any proxy on this machine and this minute), and through the gateway.
"""

import argparse
import asyncio
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any, TextIO

import httpx
import uvloop

from gateway.issuer.identity import make_identity
from gateway.issuer.pins import Pin, save_pin
from tests.bench.load import Measured, Streamed, Target, closed_loop, fixed_rate, streams
from tests.builders import INSTANCE_ID, ISSUER, a_feed_key, a_feed_model, a_token, base64url
from tests.conftest import a_free_port, wait_until
from tests.fakes.instance import FakeInstance

CONNECTIONS = 16
RATE_PER_S = 300
STREAMS, CHUNKS, PACE_MS = 50, 200, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """How much of each load; `rounds` of each are alternated between the two ways."""

    rounds: int
    requests: int
    paced: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way to the mock endpoint, and the process that stands on it."""

    target: Target
    pid: int

    def cpu_s(self) -> float:
        """CPU seconds that the process has used so far, its threads included."""
        threads = Path(f"/proc/{self.pid}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads) / 1e9

    def memory_mb(self) -> float:
        """The process's resident memory."""
        lines = Path(f"/proc/{self.pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


Ways = dict[str, Way]


async def whole_requests(ways: Ways, sizes: Sizes) -> dict[str, Any]:
    """Requests as fast as 16 connections go."""
    cpu_s, wall_s = dict.fromkeys(ways, 0.0), dict.fromkeys(ways, 0.0)
    for _ in range(sizes.rounds):
        for name, way in ways.items():
            before = way.cpu_s()
            run = await closed_loop(way.target, connections=CONNECTIONS, requests=sizes.requests)
            cpu_s[name] += way.cpu_s() - before
            wall_s[name] += run.wall_s
    done = sizes.rounds * sizes.requests
    return {
        name: {
            "cpu_us_per_request": round(1e6 * cpu_s[name] / done, 1),
            "requests_per_s": round(done / wall_s[name]),
        }
        for name in ways
    }


async def latency(ways: Ways, sizes: Sizes) -> dict[str, Any]:
    """Latency at a fixed rate."""
    runs = {name: Measured() for name in ways}
    for _ in range(sizes.rounds):
        for name, way in ways.items():
            run = await fixed_rate(way.target, per_s=RATE_PER_S, requests=sizes.paced)
            runs[name].latencies_s += run.latencies_s
    return {
        name: {
            "p50_ms": round(run.quantile_ms(0.5), 3),
            "p99_ms": round(run.quantile_ms(0.99), 3),
        }
        for name, run in runs.items()
    }


async def streamed_chunks(ways: Ways, sizes: Sizes) -> dict[str, Any]:
    """Many paced streams at once."""
    runs: dict[str, list[Streamed]] = {name: [] for name in ways}
    cpu_s = dict.fromkeys(ways, 0.0)
    for _ in range(sizes.rounds):
        for name, way in ways.items():
            before = way.cpu_s()
            runs[name] += await streams(way.target, count=STREAMS, chunks=CHUNKS, pace_ms=PACE_MS)
            cpu_s[name] += way.cpu_s() - before
    return {
        name: {
            "cpu_us_per_chunk": round(1e6 * cpu_s[name] / (len(run) * CHUNKS), 1),
            "first_chunk_p50_ms": round(1e3 * median(each.first_s for each in run), 3),
            "lost_events": sum(CHUNKS + 1 - each.events for each in run),
            "unfinished": sum(not each.whole for each in run),
        }
        for name, run in runs.items()
    }


async def measure(sizes: Sizes, folder: Path, stack: ExitStack) -> dict[str, Any]:
    """Starts everything, warms it up, and measures."""
    identity = make_identity(folder / "gateway")
    instance = FakeInstance(identity)
    await instance.start()
    mock_port, pipe_port, port, metrics_port = (a_free_port() for _ in range(4))
    instance.serve(a_feed_model(endpoint=f"http://127.0.0.1:{mock_port}/v1"))
    pin = Pin(
        instance_id=INSTANCE_ID,
        feed_key=base64url(a_feed_key().public_key().public_bytes_raw()),
        issuer=ISSUER,
        instance_url=instance.url,
    )
    save_pin(folder / "gateway", pin)
    environment = {
        **os.environ,
        "CASEMATE_HOME": str(folder),
        "CASEMATE_GATEWAY_PORT": str(port),
        "CASEMATE_GATEWAY_METRICS_PORT": str(metrics_port),
    }
    program = [sys.executable, "-m"]
    mock = _start(stack, [*program, "tests.bench.mock_endpoint", str(mock_port)])
    pipe = _start(stack, [*program, "tests.bench.bare_pipe", str(pipe_port), str(mock_port)])
    log = stack.enter_context((folder / "gateway.log").open("w"))
    gateway = _start(stack, [*program, "gateway", "serve"], env=environment, stdout=log)
    ready = f"http://127.0.0.1:{port}/monitoring/ready"
    await asyncio.to_thread(wait_until, lambda: httpx.get(ready, trust_env=False).is_success)
    token = a_token()
    ways = {
        "direct": Way(target=Target(port=mock_port, bearer=token), pid=mock),
        "pipe": Way(target=Target(port=pipe_port, bearer=token), pid=pipe),
        "gateway": Way(target=Target(port=port, bearer=token), pid=gateway),
    }
    at_rest_mb = ways["gateway"].memory_mb()
    await closed_loop(ways["gateway"].target, connections=CONNECTIONS, requests=2000)
    results = {
        "measured_at": time.strftime("%Y-%m-%d", time.gmtime()),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "load": {
            "connections": CONNECTIONS,
            "requests_per_s": RATE_PER_S,
            "streams": STREAMS,
            "chunks_per_stream": CHUNKS,
            "pace_ms": PACE_MS,
        },
        "whole": await whole_requests(ways, sizes),
        "latency": await latency(ways, sizes),
        "stream": await streamed_chunks(ways, sizes),
        "gateway_memory_mb": {
            "at_rest": round(at_rest_mb),
            "after": round(ways["gateway"].memory_mb()),
        },
    }
    await instance.stop()
    return results


def _start(
    stack: ExitStack,
    command: list[str],
    *,
    env: dict[str, str] | None = None,
    stdout: TextIO | None = None,
) -> int:
    process = subprocess.Popen(command, env=env, stdout=stdout)
    stack.callback(_end, process)
    return process.pid


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    process.wait(timeout=10)


def main() -> None:
    """Measures and prints; `--out` keeps the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a tenth of the load")
    parser.add_argument("--out", type=Path, help="write the figures to this file")
    chosen = parser.parse_args()
    scale = 1 if chosen.quick else 10
    sizes = Sizes(rounds=3, requests=1000 * scale, paced=150 * scale)
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        results = uvloop.run(measure(sizes, Path(folder), stack))
    text = json.dumps(results, indent=2)
    print(text)
    if chosen.out:
        chosen.out.parent.mkdir(parents=True, exist_ok=True)
        chosen.out.write_text(text + "\n")


if __name__ == "__main__":
    main()
