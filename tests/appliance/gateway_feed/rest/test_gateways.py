from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from sqlmodel import select

from appliance.audit.tables import AuditEventRow
from appliance.gateway_feed.rules import encode
from appliance.gateway_feed.usecases import kids_held
from gateway.contract.feed import FEED_PATH, REPORT_PATH
from gateway.contract.introspection import INTROSPECTION_PATH
from tests.appliance.conftest import Server
from tests.instance_builders import GatewayKeys

PATH = "/api/v4/ai/gateways"
KID = "k" * 43


def _halves(keys: GatewayKeys, **changes: Any) -> dict[str, Any]:
    fields = {
        "name": "east-1",
        "gateway_id": keys.id,
        "signing_key": encode(keys.signing_public),
        "sealing_key": encode(keys.sealing_public),
    }
    return {**fields, **changes}


def _as(server: Server, keys: GatewayKeys, **claims: Any) -> dict[str, str]:
    text = keys.assertion(server.filled.instance_id, now=server.clock.now, **claims)
    return {"Authorization": f"Bearer {text}"}


async def _report(server: Server, **fields: Any) -> None:
    report = {"version": "1.2", "epoch": 1, "sequence": 0, "models": [], **fields}
    headers = _as(server, server.filled.keys)
    answer = await server.ask("POST", REPORT_PATH, pat="", headers=headers, json=report)
    assert answer.status_code == 204


async def _show(server: Server, name: str = "local") -> dict[str, Any]:
    shown: dict[str, Any] = (await server.ask("GET", f"{PATH}/{name}")).json()
    return shown


async def test_a_gateway_is_added_seen_and_removed(server: Server) -> None:
    keys = GatewayKeys()
    added = await server.ask("POST", PATH, json=_halves(keys))
    assert added.status_code == 201
    pin = added.json()["pin"]
    assert set(pin) == {"instance_id", "feed_key", "issuer", "instance_url"}
    assert (pin["instance_id"], pin["issuer"]) == (
        server.filled.instance_id,
        "http://127.0.0.1:8080",
    )
    assert [each["name"] for each in (await server.ask("GET", PATH)).json()] == ["east-1", "local"]
    feed = await server.ask("GET", FEED_PATH, pat="", headers=_as(server, keys))
    assert feed.status_code == 200
    removed = await server.ask("DELETE", f"{PATH}/east-1")
    assert (removed.status_code, removed.json()) == (200, {"name": "east-1", "warning": None})
    feed = await server.ask("GET", FEED_PATH, pat="", headers=_as(server, keys))
    assert feed.status_code == 401
    entries = await server.db.read(
        lambda session: session.exec(
            select(AuditEventRow).where(AuditEventRow.target_id == keys.id)
        ).all()
    )
    assert [entry.action for entry in entries] == ["gateway_registered", "gateway_removed"]


async def test_removing_the_last_gateway_says_what_follows(server: Server) -> None:
    removed = await server.ask("DELETE", f"{PATH}/local")
    assert "No gateway is registered any more" in removed.json()["warning"]
    assert (await server.ask("GET", PATH)).json() == []


async def test_a_name_or_key_in_use_is_a_conflict(server: Server) -> None:
    for body in (
        _halves(GatewayKeys(), name="local"),
        _halves(server.filled.keys),
    ):
        answer = await server.ask("POST", PATH, json=body)
        assert (answer.status_code, answer.json()["code"]) == (409, "gateway_taken")


@pytest.mark.parametrize(
    "changes",
    [
        {"name": ""},
        {"name": "a b"},
        {"name": "x" * 65},
        {"name": "a/b"},
        {"signing_key": "x"},
        {"sealing_key": "A" * 43},
        {"gateway_id": "k" * 43},
        {"more": 1},
    ],
)
async def test_what_is_no_gateway_is_refused(server: Server, changes: dict[str, Any]) -> None:
    answer = await server.ask("POST", PATH, json=_halves(GatewayKeys(), **changes))
    assert answer.status_code == 400


async def test_only_an_admin_sees_and_changes_gateways(server: Server) -> None:
    _, pat = await server.new_user("ada", "api")
    for method, path in (("GET", PATH), ("GET", f"{PATH}/local"), ("DELETE", f"{PATH}/local")):
        assert (await server.ask(method, path, pat=pat)).status_code == 403
    for method in ("GET", "DELETE"):
        assert (await server.ask(method, f"{PATH}/nobody")).status_code == 404


async def test_a_gateway_that_was_never_heard_of_is_away(server: Server) -> None:
    shown = await _show(server)
    assert (shown["is_present"], shown["connection"], shown["last_seen_at"]) == (
        False,
        "away",
        None,
    )
    assert (shown["sequence"], shown["changes_behind"], shown["clock_note"]) == (None, None, None)


async def test_a_report_says_what_is_held_and_how_far_behind_it_is(server: Server) -> None:
    clock_ms = int(server.clock.now.timestamp() * 1000) + 1500
    models = [{"ref": "m", "state": "ready"}]
    kids = [KID, "of-another-issuer", KID]
    await _report(server, sequence=1, kids=kids, clock_ms=clock_ms, models=models)
    shown = await _show(server)
    assert (shown["connection"], shown["kids"], shown["models"]) == ("polling", [KID], models)
    assert (shown["clock_skew_ms"], shown["clock_is_off"]) == (1500, False)
    assert shown["changes_behind"] > 0
    assert shown["seconds_behind"] >= 0
    await _report(server, sequence=shown["changes_behind"] + 1000)
    assert (await _show(server))["changes_behind"] == 0
    await _report(server, epoch=2)
    assert (await _show(server))["changes_behind"] is None


async def test_keys_count_as_held_by_who_was_seen_in_the_last_five_minutes(server: Server) -> None:
    await _report(server, kids=[KID])

    async def held(minutes: int) -> Mapping[str, frozenset[str]]:
        at = server.clock.now + timedelta(minutes=minutes)
        return await server.db.read(lambda session: kids_held(session, now=at))

    assert await held(5) == {"local": {KID}}
    assert await held(6) == {}


async def test_a_clock_that_is_off_is_told_by_reports(server: Server) -> None:
    at_ms = int(server.clock.now.timestamp() * 1000)
    await _report(server, clock_ms=at_ms - 10_001)
    shown = await _show(server)
    assert shown["clock_is_off"] is True
    assert "10.0 s behind this instance's" in shown["clock_note"]
    # A release that does not tell its clock is judged by its assertions.
    await _report(server)
    assert (await _show(server))["clock_skew_ms"] == 500


@pytest.mark.parametrize(("off_s", "way"), [(90, "ahead of"), (-120, "behind")])
async def test_who_is_refused_for_its_clock_is_seen_to_be(
    server: Server, off_s: int, way: str
) -> None:
    at = server.clock.now + timedelta(seconds=off_s)
    text = server.filled.keys.assertion(server.filled.instance_id, now=at)
    headers = {"Authorization": f"Bearer {text}"}
    for _ in range(2):
        assert (await server.ask("GET", FEED_PATH, pat="", headers=headers)).status_code == 401
    shown = await _show(server)
    assert (shown["is_present"], shown["clock_is_off"]) == (False, True)
    assert way in shown["clock_note"]


async def test_an_old_assertion_casts_no_doubt_on_a_clock_that_is_well(server: Server) -> None:
    old = _as(server, server.filled.keys)
    server.clock.advance(minutes=3)
    await _report(server, clock_ms=int(server.clock.now.timestamp() * 1000))
    assert (await server.ask("POST", REPORT_PATH, pat="", headers=old)).status_code == 401
    assert (await _show(server))["clock_is_off"] is False
    # Whoever has nothing of a gateway but its name changes nothing.
    stranger = GatewayKeys().assertion("other", kid=server.filled.keys.id)
    headers = {"Authorization": f"Bearer {stranger}"}
    assert (
        await server.ask("POST", INTROSPECTION_PATH, pat="", headers=headers)
    ).status_code == 401
