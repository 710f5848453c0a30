"""Rotation without end: no good token refused, no bad one accepted, while the instance is killed.

`python -m tests.bench.rotation_soak [--minutes 10]` starts a real instance and a real gateway. The
signing key rotates every five seconds and is now and then declared compromised; tokens are revoked
through their credential, their user and their seat; the instance is killed at random and started
again. Meanwhile the gateway is asked to verify good, revoked and forged tokens. It ends with 1
when a good token was refused or a bad one accepted.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.bench.machine import machine
from tests.bench.soak_parts import Asker, Breaker, Ledger, Staff, Watch
from tests.system.organisation import Organisation

ROTATION_S = 5
MAX_AGE_S = 1
STAFF = 24


def say(line: str) -> None:
    """Progress, apart from the result."""
    print(line, file=sys.stderr, flush=True)


async def soak(chosen: argparse.Namespace, home: Path) -> dict[str, Any]:
    """Runs it, and says what was seen."""
    told = {
        "CASEMATE_SIGNING_KEY_LIFE": f"PT{ROTATION_S}S",
        "CASEMATE_KEY_SET_MAX_AGE": f"PT{MAX_AGE_S}S",
    }
    place = Organisation(home=home, told=told)
    place.found()
    dice = random.Random(chosen.seed)
    try:
        for name in ("mock", "instance", "gateway"):
            place.start(name)
        await place.until_ready()
        return await _load(chosen, place, dice)
    finally:
        place.end()


async def _load(
    chosen: argparse.Namespace, place: Organisation, dice: random.Random
) -> dict[str, Any]:
    ledger, watch = Ledger(), Watch(place)
    staff = await Staff.hired(place.admin(), STAFF, ledger=ledger, dice=dice)
    say(f"{STAFF} people hold tokens; {chosen.minutes:g} minutes begin")
    asker = Asker(place, staff, ledger, watch.gaps, dice=dice)
    breaker = Breaker(place, watch, dice=dice)
    works = [
        watch.run(),
        asker.run(per_s=chosen.per_s),
        staff.renew(),
        staff.revoke(asker),
        staff.compromise(every_s=chosen.compromise_s),
        breaker.run(every_s=chosen.kill_s),
        _tell(ledger),
    ]
    tasks = [asyncio.create_task(work) for work in works]
    done, _ = await asyncio.wait(
        tasks, timeout=chosen.minutes * 60, return_when=asyncio.FIRST_EXCEPTION
    )
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
    return {
        **ledger.figures(),
        "kills": breaker.kills,
        "cut_off_s": round(watch.cut_off_s(), 1),
        "keys_made": await staff.keys_made(),
    }


async def _tell(ledger: Ledger) -> None:
    while True:
        await asyncio.sleep(15)
        say(json.dumps(ledger.figures()))


def main() -> int:
    """Runs the soak and prints its figures as JSON."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, default=10, help="how long (10)")
    parser.add_argument("--per-s", type=int, default=1000, help="verifications a second (1000)")
    parser.add_argument("--kill-s", type=float, default=40, help="mean time between kills (40)")
    parser.add_argument("--compromise-s", type=float, default=45, help="between forced rotations")
    parser.add_argument("--seed", type=int, default=None, help="of what is random here")
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="keep the figures there")
    chosen = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(soak(chosen, Path(folder) / "home"))
    result = {
        "measured_at": time.strftime("%Y-%m-%d %H:%M", time.gmtime()) + " UTC",
        "machine": machine(),
        "minutes": round((time.monotonic() - began) / 60, 1),
        "asked_per_s": chosen.per_s,
        **found,
    }
    print(json.dumps(result, indent=2))
    if chosen.out is not None:
        (chosen.out / "rotation_soak.json").write_text(json.dumps(result, indent=2) + "\n")
    return int(bool(found["good_refused"] or found["bad_accepted"]))


if __name__ == "__main__":
    sys.exit(main())
