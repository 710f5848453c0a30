"""What it costs the instance to mint an access token, through HTTP.

`python -m tests.bench.minting [--seconds 10]` starts a real instance on SQLite and asks it for
access tokens over connections that are kept, as fast as it answers.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.driver import Connection, Target, connect
from tests.bench.figures import quantile
from tests.bench.machine import machine
from tests.bench.processes import cpu_s
from tests.system.organisation import Organisation

CONNECTIONS = 8
CREATED = b"HTTP/1.1 201"


async def measure(seconds: float, place: Organisation) -> dict[str, Any]:
    """Asks for tokens, and says how many came and what they cost."""
    admin = place.admin()
    async with admin.http:
        person = await admin.hire("anna")
    target = Target(port=place.ports["instance"], bearer="")
    request = (
        f"POST /api/v4/ai/access_tokens HTTP/1.1\r\nHost: x\r\nPRIVATE-TOKEN: {person.pat}\r\n"
        "Content-Length: 0\r\n\r\n"
    ).encode()
    connections = [await connect(target) for _ in range(CONNECTIONS)]
    pid = place.running["instance"].pid
    took: list[float] = []
    used, began = cpu_s(pid), time.perf_counter()

    async def one(connection: Connection) -> None:
        while time.perf_counter() < began + seconds:
            asked = time.perf_counter()
            answer = await connection.exchange(request)
            if not answer.startswith(CREATED):
                raise RuntimeError(answer[:200].decode())
            took.append(time.perf_counter() - asked)

    await asyncio.gather(*(one(connection) for connection in connections))
    wall, used = time.perf_counter() - began, cpu_s(pid) - used
    for connection in connections:
        connection.close()
    return {
        "minted": len(took),
        "per_s": round(len(took) / wall, 1),
        "per_cpu_s": round(len(took) / used, 1),
        "p50_ms": round(quantile(took, 0.5) * 1000, 1),
        "p99_ms": round(quantile(took, 0.99) * 1000, 1),
    }


async def run(seconds: float, home: Path) -> dict[str, Any]:
    """Starts what is needed, measures, and stops it."""
    place = Organisation(home=home)
    place.found()
    try:
        for name in ("mock", "instance", "gateway"):
            place.start(name)
        await place.until_ready()
        return await measure(seconds, place)
    finally:
        place.end()


def main() -> int:
    """Prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10, help="how long (10)")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(chosen.seconds, Path(folder) / "home"))
    print(json.dumps({"machine": machine(), **found}, indent=2))
    return 0


if __name__ == "__main__":
    sys.exit(main())
