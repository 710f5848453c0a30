"""How long it takes until the next request goes by what an administrator has just chosen.

`python -m tests.bench.choice_latency [--changes 200] [--out FOLDER]` starts a real instance on
SQLite and a real gateway, locks a group's feature to one of two models in turn, and asks the
gateway for the first of them until it answers otherwise.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from tests.bench.machine import machine
from tests.bench.soak_parts import latencies
from tests.system.organisation import Admin, Organisation

ASK_EVERY_S = 0.001
PATIENCE_S = 10.0
FEATURE = "duo_chat"
MODELS = ("demo", "other")


async def measure(changes: int, place: Organisation) -> dict[str, Any]:
    """Makes the changes, one after the other, and says how long each took."""
    admin = place.admin()
    async with admin.http:
        group_id, token = await _prepare(place, admin)
        url = f"http://127.0.0.1:{place.ports['gateway']}"
        headers = {"Authorization": f"Bearer {token}"}
        after_request_s, after_answer_s = [], []
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as http:
            for number in range(changes):
                model = MODELS[number % 2]
                sent = time.perf_counter()
                seen = asyncio.create_task(_seen(http, opens=model == MODELS[0]))
                wish = {"model": model, "locked": True}
                await admin.ask("PUT", f"/groups/{group_id}/ai_feature_settings/{FEATURE}", wish)
                answered = time.perf_counter()
                used = await seen
                after_request_s.append(used - sent)
                after_answer_s.append(max(0.0, used - answered))
    return {
        "changes": changes,
        "request_to_use": latencies(after_request_s),
        "answer_to_use": latencies(after_answer_s),
    }


async def _prepare(place: Organisation, admin: Admin) -> tuple[int, str]:
    model = {
        "ref": MODELS[1],
        "name": "Other",
        "family": "general",
        "identifier": "demo",
        "endpoint": f"http://127.0.0.1:{place.ports['mock']}/v1",
        "api_key": "bench-model-key",
    }
    await admin.ask("POST", "/ai/self_hosted_models", model)
    group = await admin.ask("POST", "/groups", {"name": "Team", "path": "team"})
    person = await admin.hire("anna")
    member = {"user_id": person.id, "access_level": 30}
    await admin.ask("POST", f"/groups/{group['id']}/members", member)
    answer = await admin.http.post(
        "/api/v4/ai/access_tokens",
        json={"namespace_id": group["id"]},
        headers={"PRIVATE-TOKEN": person.pat},
    )
    answer.raise_for_status()
    wish = {"model": MODELS[1], "locked": True}
    await admin.ask("PUT", f"/groups/{group['id']}/ai_feature_settings/{FEATURE}", wish)
    return group["id"], answer.json()["token"]


async def _seen(http: httpx.AsyncClient, *, opens: bool) -> float:
    """When the gateway first let the first model be asked, or first refused it."""
    body = {"model": MODELS[0], "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
    wanted = httpx.codes.OK if opens else httpx.codes.FORBIDDEN
    async with asyncio.timeout(PATIENCE_S):
        while (await http.post("/v1/chat/completions", json=body)).status_code != wanted:
            await asyncio.sleep(ASK_EVERY_S)
    return time.perf_counter()


async def run(changes: int, home: Path) -> dict[str, Any]:
    """Starts what is needed, measures, and stops it."""
    place = Organisation(home=home)
    place.found()
    try:
        for name in ("mock", "instance", "gateway"):
            place.start(name)
        await place.until_ready()
        return await measure(changes, place)
    finally:
        place.end()


def main() -> int:
    """Prints the figures as JSON, and keeps them if a folder is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--changes", type=int, default=200, help="how many (200)")
    parser.add_argument("--out", type=Path, help="a folder for the figures")
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = asyncio.run(run(chosen.changes, Path(folder) / "home"))
    text = json.dumps({"machine": machine(), **found}, indent=2)
    print(text)
    if chosen.out is not None:
        (chosen.out / "choice_latency.json").write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
