"""What it takes to choose models for a hundred thousand groups, twenty deep.

`python -m tests.bench.selection_scale [--groups 100000] [--changes 40] [--postgresql URL] [--out
FOLDER]` fills an instance, asks it and a gateway what holds for each feature in groups drawn at
random, times the document of everything on its way into a gateway, and then starts both as
processes of their own: an owner chooses for the top of a line of twenty groups, and the admin for
the instance, and the group at the end of the line asks the gateway until it answers by that.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import msgspec
import structlog

from appliance.gateway_feed.rules import encode
from appliance.gateway_feed.usecases import Registration, ensure_gateway
from appliance.model_selection.usecases import effective_in
from appliance.namespaces.usecases import get_namespace
from appliance.settings import Settings
from appliance.storage.engine import Db, Session, database_url
from appliance.storage.sealing import Sealer
from gateway.contract.catalog import load_catalog
from gateway.contract.claims import Claims
from gateway.contract.selection import SWITCHING_FLAG
from tests.bench.figures import quantile
from tests.bench.machine import machine
from tests.bench.selection_world import FEATURES, World, fill
from tests.bench.soak_parts import latencies
from tests.builders import some_claims
from tests.following_gateway import FollowingGateway
from tests.instance_builders import NOW, GatewayKeys, some_sources
from tests.system.organisation import Admin, Organisation

CATALOG = load_catalog()
QUESTIONS = 2000
SNAPSHOTS = 5
ASK_EVERY_S = 0.002
PATIENCE_S = 30.0
FEATURE = "duo_chat"
PAIR = ("demo", "alpha")


def say(line: str) -> None:
    """Progress, apart from the result."""
    print(line, file=sys.stderr, flush=True)


def in_microseconds(values_s: Sequence[float]) -> dict[str, float]:
    """The spread of short times."""
    shares = {"p50_us": 0.5, "p99_us": 0.99}
    return {name: round(quantile(values_s, share) * 1e6, 1) for name, share in shares.items()}


def at_the_instance(db: Db, world: World) -> dict[str, Any]:
    """A group's models at the instance: all features are asked for at once."""
    dice = random.Random(1)
    took: list[float] = []

    def ask(session: Session) -> None:
        group = get_namespace(session, dice.choice(world.groups))
        began = time.perf_counter()
        effective_in(session, group, catalog=CATALOG, may_switch=True)
        took.append(time.perf_counter() - began)

    for _ in range(QUESTIONS // 4):
        db.read_blocking(ask)
    each = [value / len(FEATURES) for value in took]
    return {"all_features": latencies(took), "one_resolution": in_microseconds(each)}


def at_the_gateway(gateway: FollowingGateway, world: World) -> dict[str, Any]:
    """A token's model at the gateway, when it is asked for first, and again."""
    dice = random.Random(2)
    asked = [
        (
            dice.choice(FEATURES),
            msgspec.convert(
                some_claims(ns=dice.choice(world.groups), flags=[SWITCHING_FLAG]), Claims
            ),
        )
        for _ in range(QUESTIONS)
    ]
    found = {}
    for name in ("first", "again"):
        took = []
        for feature, claims in asked:
            began = time.perf_counter()
            gateway.selections.effective(feature, claims)
            took.append(time.perf_counter() - began)
        found[name] = in_microseconds(took)
    return found


def everything(gateway: FollowingGateway) -> dict[str, Any]:
    """The document of everything: built and signed, and checked and taken over."""
    for _ in range(SNAPSHOTS):
        gateway.start_over()
    return {
        "bytes": gateway.heard_bytes,
        "built_and_signed": latencies(gateway.told_s[-SNAPSHOTS:]),
        "checked_and_taken_over": latencies(gateway.taken_s[-SNAPSHOTS:]),
    }


async def to_the_gateway(place: Organisation, world: World, changes: int) -> dict[str, Any]:
    """From a change at the instance until the gateway answers by it."""
    admin = place.admin()
    top, leaf = world.chain[0], world.chain[-1]
    async with admin.http:
        token = await _token(admin, top, leaf)
        for group_id in world.chain:
            await admin.ask("DELETE", f"/groups/{group_id}/ai_feature_settings/{FEATURE}")
        url = f"http://127.0.0.1:{place.ports['gateway']}"
        headers = {"Authorization": f"Bearer {token}"}
        async with httpx.AsyncClient(base_url=url, headers=headers, trust_env=False) as http:
            group = f"/groups/{top}/ai_feature_settings/{FEATURE}"
            chosen = await _changes(admin, http, group, "model", changes)
            await admin.ask("DELETE", group)
            instance = f"/ai/feature_settings/{FEATURE}"
            said = await _changes(admin, http, instance, "default_model", changes)
    return {"a_group_chooses": chosen, "the_instance_says": said}


async def _token(admin: Admin, top: int, leaf: int) -> str:
    person = await admin.hire("anna")
    await admin.ask("POST", f"/groups/{top}/members", {"user_id": person.id, "access_level": 30})
    answer = await admin.http.post(
        "/api/v4/ai/access_tokens",
        json={"namespace_id": leaf},
        headers={"PRIVATE-TOKEN": person.pat},
    )
    answer.raise_for_status()
    token: str = answer.json()["token"]
    return token


async def _changes(
    admin: Admin, http: httpx.AsyncClient, path: str, field: str, changes: int
) -> dict[str, Any]:
    asked_s, used_s = [], []
    for number in range(changes + 1):
        model = PAIR[number % 2]
        seen = asyncio.create_task(_seen(http, opens=model == PAIR[0]))
        sent = time.perf_counter()
        await admin.ask("PUT", path, {field: model, "locked": True})
        answered = time.perf_counter()
        used = await seen
        # What was before the first change is not known, so that one shows nothing.
        if number:
            asked_s.append(answered - sent)
            used_s.append(used - sent)
    return {"answered": latencies(asked_s), "effective": latencies(used_s)}


async def _seen(http: httpx.AsyncClient, *, opens: bool) -> float:
    body = {"model": PAIR[0], "messages": [{"role": "user", "content": "x"}], "max_tokens": 1}
    wanted = httpx.codes.OK if opens else httpx.codes.FORBIDDEN
    async with asyncio.timeout(PATIENCE_S):
        while (await http.post("/v1/chat/completions", json=body)).status_code != wanted:
            await asyncio.sleep(ASK_EVERY_S)
    return time.perf_counter()


def run(chosen: argparse.Namespace, home: Path) -> dict[str, Any]:
    """Fills an instance, and measures."""
    told = {} if chosen.postgresql is None else {"CASEMATE_DATABASE_URL": chosen.postgresql}
    place = Organisation(home=home, told=told)
    place.found()
    settings = Settings.model_validate({"home": home, "database_url": chosen.postgresql})
    sources = some_sources(Sealer.from_file(settings.master_key_path, is_mounted=False))
    keys = GatewayKeys()
    registration = Registration(
        name="measured",
        signing_key=encode(keys.signing_public),
        sealing_key=encode(keys.sealing_public),
    )
    with closing(Db(database_url(settings.database))) as db:
        endpoint = f"http://127.0.0.1:{place.ports['mock']}/v1"
        began = time.perf_counter()
        world = db.write_blocking(lambda s: fill(s, chosen.groups, endpoint=endpoint))
        db.write_blocking(lambda s: ensure_gateway(s, registration, now=NOW))
        say(f"{chosen.groups} groups in {time.perf_counter() - began:.1f} s")
        gateway = FollowingGateway(db, keys, sources=sources, folder=home)
        found = {
            "groups": len(world.groups),
            "depth": len(world.chain),
            "features": len(FEATURES),
            "choices": world.choices,
            "resolution_at_the_instance": at_the_instance(db, world),
            "resolution_at_the_gateway": at_the_gateway(gateway, world),
            "snapshot": everything(gateway),
        }
    say("processes start")
    found["change"] = asyncio.run(_with_processes(place, world, chosen.changes))
    return found


async def _with_processes(place: Organisation, world: World, changes: int) -> dict[str, Any]:
    try:
        for name in ("mock", "instance", "gateway"):
            place.start(name)
        began = time.perf_counter()
        await place.until_ready()
        say(f"ready after {time.perf_counter() - began:.1f} s")
        return await to_the_gateway(place, world, changes)
    finally:
        place.end()


def main() -> int:
    """Prints the figures as JSON, and keeps them if a folder is named."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--groups", type=int, default=100_000, help="how many (100000)")
    parser.add_argument("--changes", type=int, default=40, help="of each kind (40)")
    parser.add_argument("--postgresql", help="the URL of an empty database, in place of SQLite")
    parser.add_argument("--out", type=Path, help="a folder for the figures")
    chosen = parser.parse_args()
    # Nothing but the figures to where they are read from.
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    measured_at = f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC"
    about = {"measured_at": measured_at, "machine": machine()}
    with tempfile.TemporaryDirectory() as folder:
        found = run(chosen, Path(folder) / "home")
    kind = "sqlite" if chosen.postgresql is None else "postgresql"
    text = json.dumps({**about, "database": kind, **found}, indent=2)
    print(text)
    if chosen.out is not None:
        name = "selection_scale" if kind == "sqlite" else "selection_scale_postgresql"
        (chosen.out / f"{name}.json").write_text(text + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
