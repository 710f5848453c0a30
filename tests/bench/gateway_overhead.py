"""What the gateway costs: against the endpoint itself, in one run, with its policy fully on.

`python -m tests.bench.gateway_overhead [--quick] [--out FILE]` starts a mock endpoint, a fake
instance and a real gateway process, and alternates between asking directly and through it.
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
from typing import Any

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
class Bench:
    """The two ways to the mock endpoint, and the gateway's process."""

    direct: Target
    through: Target
    gateway_pid: int

    def cpu_s(self) -> float:
        """CPU seconds that the gateway has used so far, its threads included."""
        threads = Path(f"/proc/{self.gateway_pid}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads) / 1e9

    def memory_mb(self) -> float:
        """The gateway's resident memory."""
        lines = Path(f"/proc/{self.gateway_pid}/status").read_text().splitlines()
        return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmRSS"))


async def whole_requests(bench: Bench, sizes: Sizes) -> dict[str, Any]:
    """Requests as fast as 16 connections go."""
    ways: dict[str, list[Measured]] = {"direct": [], "through": []}
    cpu_s = 0.0
    for _ in range(sizes.rounds):
        for name, target in (("direct", bench.direct), ("through", bench.through)):
            before = bench.cpu_s()
            run = await closed_loop(target, connections=CONNECTIONS, requests=sizes.requests)
            ways[name].append(run)
            cpu_s += bench.cpu_s() - before if name == "through" else 0.0
    done = sizes.rounds * sizes.requests
    return {
        "requests": done,
        "gateway_cpu_us_per_request": round(1e6 * cpu_s / done, 1),
        **{
            f"{name}_requests_per_s": round(done / sum(run.wall_s for run in runs))
            for name, runs in ways.items()
        },
    }


async def added_latency(bench: Bench, sizes: Sizes) -> dict[str, Any]:
    """Latency at a fixed rate, each way."""
    direct, through = Measured(), Measured()
    for _ in range(sizes.rounds):
        for target, into in ((bench.direct, direct), (bench.through, through)):
            run = await fixed_rate(target, per_s=RATE_PER_S, requests=sizes.paced)
            into.latencies_s += run.latencies_s
    return {
        "requests_per_s": RATE_PER_S,
        **{
            f"{name}_p{share}_ms": round(run.quantile_ms(share / 100), 3)
            for name, run in (("direct", direct), ("through", through))
            for share in (50, 99)
        },
        **{
            f"added_p{share}_ms": round(
                through.quantile_ms(share / 100) - direct.quantile_ms(share / 100), 3
            )
            for share in (50, 99)
        },
    }


async def streamed_chunks(bench: Bench) -> dict[str, Any]:
    """Many paced streams at once, each way."""
    run: dict[str, list[Streamed]] = {}
    before = bench.cpu_s()
    for name, target in (("direct", bench.direct), ("through", bench.through)):
        run[name] = await streams(target, count=STREAMS, chunks=CHUNKS, pace_ms=PACE_MS)
    cpu_s = bench.cpu_s() - before
    first_ms = {
        name: 1000 * sorted(each.first_s for each in all_of)[len(all_of) // 2]
        for name, all_of in run.items()
    }
    return {
        "streams": STREAMS,
        "chunks_per_stream": CHUNKS,
        "pace_ms": PACE_MS,
        "gateway_cpu_us_per_chunk": round(1e6 * cpu_s / (STREAMS * CHUNKS), 1),
        "added_first_chunk_p50_ms": round(first_ms["through"] - first_ms["direct"], 3),
        "lost_events": sum(CHUNKS + 1 - each.events for each in run["through"]),
        "unfinished_streams": sum(not each.whole for each in run["through"]),
    }


async def measure(sizes: Sizes, folder: Path, stack: ExitStack) -> dict[str, Any]:
    """Starts everything, warms it up, and measures."""
    identity = make_identity(folder / "gateway")
    instance = FakeInstance(identity)
    await instance.start()
    mock_port, port, metrics_port = a_free_port(), a_free_port(), a_free_port()
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
    mock = [sys.executable, "-m", "tests.bench.mock_endpoint", str(mock_port)]
    serve = [sys.executable, "-m", "gateway", "serve"]
    _start(stack, mock, log=folder / "mock.log")
    gateway = _start(stack, serve, log=folder / "gateway.log", env=environment)
    ready = f"http://127.0.0.1:{port}/monitoring/ready"
    await asyncio.to_thread(wait_until, lambda: httpx.get(ready, trust_env=False).is_success)
    token = a_token()
    bench = Bench(
        direct=Target(port=mock_port, bearer=token),
        through=Target(port=port, bearer=token),
        gateway_pid=gateway.pid,
    )
    at_rest_mb = bench.memory_mb()
    await closed_loop(bench.through, connections=CONNECTIONS, requests=2000)
    results = {
        "measured_at": time.strftime("%Y-%m-%d", time.gmtime()),
        "python": platform.python_version(),
        "cores": os.cpu_count(),
        "whole": await whole_requests(bench, sizes),
        "latency": await added_latency(bench, sizes),
        "stream": await streamed_chunks(bench),
        "memory_mb": {"at_rest": round(at_rest_mb), "after": round(bench.memory_mb())},
    }
    await instance.stop()
    return results


def _start(
    stack: ExitStack, command: list[str], *, log: Path, env: dict[str, str] | None = None
) -> subprocess.Popen[bytes]:
    process = subprocess.Popen(command, env=env, stdout=stack.enter_context(log.open("w")))
    stack.callback(_end, process)
    return process


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
