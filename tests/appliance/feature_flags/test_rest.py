import asyncio
from typing import Any

import pytest
from gitlab.exceptions import GitlabDeleteError, GitlabSetError

from appliance.feature_flags.tables import FlagGateRow
from tests.appliance.conftest import FilledHome, Server
from tests.instance_builders import NOW
from tests.served_instance import ServedInstance, served_instance

PATH = "/api/v4/features"
FLAG = f"{PATH}/ai_duo_chat_switch"


async def _listed(server: Server) -> dict[str, Any]:
    return {each["name"]: each for each in (await server.ask("GET", PATH)).json()}


async def test_flags_are_listed_with_what_they_are_for(server: Server) -> None:
    flag = (await _listed(server))["ai_global_switch"]
    assert (flag["state"], flag["gates"]) == ("on", [{"key": "boolean", "value": True}])
    definitions = (await server.ask("GET", f"{PATH}/definitions")).json()
    assert flag["definition"] in definitions
    shown = {"default_enabled": True, "type": "ops", "milestone": "0.1.0", "group": "platform"}
    assert shown.items() <= flag["definition"].items()


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
    body = {"value": "true", "user": "ADA, admin", "group": "lab", "force": "true"}
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
        (FLAG, {"value": 30, "key": "percentage_of_time"}, 400),
        (FLAG, {"value": True, "feature_group": "team"}, 400),
        (FLAG, {"value": True, "project": "lab/x"}, 400),
        (FLAG, {"value": True, "repository": "lab/x.git"}, 400),
        (FLAG, {"value": True, "actor": "ada"}, 400),
        (FLAG, [], 400),
        (FLAG, {"value": 30, "user": "admin"}, 400),
        (FLAG, {"value": False, "user": ""}, 400),
        (FLAG, {"value": False, "group": " , "}, 400),
        (FLAG, {"value": False, "user": ",".join(["admin"] * 1001)}, 400),
        (FLAG, {"value": True, "user": "nobody"}, 404),
        (FLAG, {"value": True, "group": "nowhere"}, 404),
        (FLAG, {"value": True, "namespace": "nowhere"}, 404),
        (FLAG, {}, 400),
    ],
)
async def test_what_cannot_be_set_is_refused(
    server: Server, path: str, body: object, status: int
) -> None:
    assert (await server.ask("POST", path, json=body)).status_code == status


async def test_a_refusal_names_what_is_not_here(server: Server) -> None:
    body = {"value": 30, "key": "percentage_of_time", "project": "lab/x"}
    errors = (await server.ask("POST", FLAG, json=body)).json()["errors"]
    assert set(errors) == {"key", "project"}
    assert "percentage_of_actors" in errors["key"]
    assert "group" in errors["project"]


async def test_a_form_is_taken_as_curl_sends_it(server: Server) -> None:
    form = {"value": "30", "key": "percentage_of_actors"}
    answer = await server.ask("POST", FLAG, data=form)
    assert {"key": "percentage_of_actors", "value": 30} in answer.json()["gates"]
    assert (await server.ask("POST", FLAG, data={"volume": "1"})).status_code == 400


async def test_who_misspells_a_flag_is_told_which_was_meant(server: Server) -> None:
    answer = await server.ask("POST", f"{PATH}/ai_duo_chat_swich", json={"value": True})
    assert (answer.status_code, answer.json()["code"]) == (404, "feature_flag_not_found")
    assert "ai_duo_chat_switch" in answer.json()["message"]


async def test_what_another_release_set_is_listed_and_reported(server: Server) -> None:
    row = FlagGateRow(flag="left", gate="everyone", value=1, updated_at=NOW)
    await server.db.write(lambda session: session.add(row))
    left = (await _listed(server))["left"]
    assert (left["state"], left["definition"]) == ("on", None)
    found = (await server.ask("GET", f"{PATH}/stale")).json()
    assert [(each["name"], each["kind"], each["group"]) for each in found] == [
        ("left", "unknown", None)
    ]
    assert (await server.ask("DELETE", f"{PATH}/left")).status_code == 204
    assert "left" not in await _listed(server)


async def test_flags_are_for_admins(server: Server) -> None:
    _, pat = await server.new_user("ada")
    stale = ("GET", f"{PATH}/stale")
    for method, path in (("GET", PATH), stale, ("POST", FLAG), ("DELETE", FLAG)):
        answer = await server.ask(method, path, pat=pat, json={"value": True})
        assert (answer.status_code, answer.json()["code"]) == (403, "admin_needed")


def _use_python_gitlab(instance: ServedInstance) -> None:
    features = instance.gitlab().features
    name = "ai_duo_chat_switch"
    assert features.set(name, value=False, user="admin").state == "conditional"
    flag = features.set(name, value=30)
    assert {"key": "percentage_of_actors", "value": 30} in flag.gates
    assert name in {each.name for each in features.list(get_all=True)}
    flag.delete()
    (found,) = [each for each in features.list(get_all=True) if each.name == name]
    assert (found.state, found.definition["type"]) == ("on", "ops")
    features.delete(name)
    with pytest.raises(GitlabSetError, match="did you mean ai_duo_chat_switch"):
        features.set("ai_duo_chat_swich", value=True)
    with pytest.raises(GitlabSetError, match="single projects"):
        features.set(name, value=True, project="lab/x")
    with pytest.raises(GitlabDeleteError, match="Feature flag Not Found"):
        features.delete("nix")


async def test_python_gitlab_sets_lists_and_resets_flags(filled: FilledHome) -> None:
    async with served_instance(filled) as instance:
        await asyncio.to_thread(_use_python_gitlab, instance)
