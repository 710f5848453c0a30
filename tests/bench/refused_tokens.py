"""What refusing a token costs, by class of attack: `python -m tests.bench.refused_tokens`."""

import argparse
import asyncio
import tempfile
import time
from collections import defaultdict
from pathlib import Path
from statistics import mean

from gateway.errors import InvalidTokenError
from tests.attacks import ATTACKS
from tests.bench.quiet import quiet_logs
from tests.door import Door, Lines, bearing
from tests.forging import NOW, good

ROUNDS = 200


async def refuse(door: Door, lines: Lines) -> None:
    """Knocks once; it must not open."""
    try:
        await door.knock(lines)
    except InvalidTokenError:
        return
    message = "an attack was let in"
    raise AssertionError(message)


async def cost_us(door: Door, lines: Lines, *, rounds: int) -> float:
    """The mean CPU time of one refusal in microseconds, header handling included."""
    started = time.process_time()
    for _ in range(rounds):
        await refuse(door, lines)
    return (time.process_time() - started) / rounds * 1e6


async def run(rounds: int) -> None:
    """Prints one line a class, the dearest last, and a good token for comparison."""
    with tempfile.TemporaryDirectory() as folder:
        door = await Door(Path(folder), now=NOW).open()
        fetches = door.fetches
        costs: dict[str, list[float]] = defaultdict(list)
        for name, make in ATTACKS.items():
            costs[name.partition(":")[0]].append(await cost_us(door, make(), rounds=rounds))
        print("class of attack        mean µs   most µs   tokens")
        for kind, found in sorted(costs.items(), key=lambda each: mean(each[1])):
            print(f"{kind:<21} {mean(found):>8.1f} {max(found):>9.1f} {len(found):>8}")
        await door.knock(bearing(good()))
        lines = bearing(good())
        await door.knock(lines)
        started = time.process_time()
        for _ in range(rounds):
            await door.knock(lines)
        known = (time.process_time() - started) / rounds * 1e6
        print(f"{'(a good one, known)':<21} {known:>8.1f}")
        print(f"fetches caused: {door.fetches - fetches}, questions asked: {door.asked}")


def main() -> None:
    """Reads how often, and runs."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.refused_tokens")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    arguments = parser.parse_args()
    quiet_logs()
    asyncio.run(run(arguments.rounds))


if __name__ == "__main__":
    main()
