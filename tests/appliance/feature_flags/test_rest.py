from typing import Any

import pytest

from tests.appliance.conftest import Server

PATH = "/api/v4/features"
FLAG = f"{PATH}/ai_duo_chat_switch"


async def _listed(server: Server) -> dict[str, Any]:
    return {each["name"]: each for each in (await server.ask("GET", PATH)).json()}


async def test_flags_are_listed_with_what_they_are_for(server: Server) -> None:
    flag = (await _listed(server))["ai_global_switch"]
    assert (flag["state"], flag["gates"]) == ("on", [{"key": "boolean", "value": True}])
    definitions = (await server.ask("GET", f"{PATH}/definitions")).json()
    assert flag["definition"] in definitions
    assert flag["definition"]["default_enabled"] is True


@pytest.mark.parametrize("value", [False, "false"])
async def test_a_flag_is_set_for_everyone_and_reset(server: Server, value: object) -> None:
    answer = await server.ask("POST", FLAG, json={"value": value})
    assert (answer.status_code, answer.json()["state"]) == (201, "off")
    assert (await _listed(server))["ai_duo_chat_switch"] == answer.json()
    assert (await server.ask("DELETE", FLAG)).status_code == 204
    assert (await _listed(server))["ai_duo_chat_switch"]["state"] == "on"


async def test_a_flag_is_set_for_named_users_and_groups(server: Server) -> None:
    number, _ = await server.new_user("ada")
    group = await server.ask("POST", "/api/v4/groups", json={"name": "Lab", "path": "lab"})
    await server.ask("POST", FLAG, json={"value": False})
    body = {"value": "true", "user": "ADA, admin", "group": "lab"}
    answer = await server.ask("POST", FLAG, json=body)
    assert answer.json()["state"] == "conditional"
    actors = [f"User:{number}", "User:1", f"Group:{group.json()['id']}"]
    assert {"key": "actors", "value": actors} in answer.json()["gates"]


@pytest.mark.parametrize("value", [30, "30"])
async def test_a_flag_is_set_for_a_share_of_the_users(server: Server, value: object) -> None:
    body = {"value": value, "key": "percentage_of_actors"}
    for each in (body, {"value": value}):
        gates = (await server.ask("POST", FLAG, json=each)).json()["gates"]
        assert {"key": "percentage_of_actors", "value": 30} in gates


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        (f"{PATH}/no_such_flag", {"value": True}, 404),
        (FLAG, {"value": 101}, 400),
        (FLAG, {"value": "maybe"}, 400),
        (FLAG, {"value": 1.5}, 400),
        (FLAG, {"value": True, "key": "percentage_of_time"}, 400),
        (FLAG, {"value": 30, "user": "admin"}, 400),
        (FLAG, {"value": True, "user": "nobody"}, 404),
        (FLAG, {"value": True, "group": "nowhere"}, 404),
        (FLAG, {}, 400),
    ],
)
async def test_what_cannot_be_set_is_refused(
    server: Server, path: str, body: dict[str, object], status: int
) -> None:
    assert (await server.ask("POST", path, json=body)).status_code == status


async def test_flags_are_for_admins(server: Server) -> None:
    _, pat = await server.new_user("ada")
    for method, path in (("GET", PATH), ("POST", FLAG), ("DELETE", FLAG)):
        answer = await server.ask(method, path, pat=pat, json={"value": True})
        assert (answer.status_code, answer.json()["code"]) == (403, "admin_needed")
