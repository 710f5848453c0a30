import pytest

from appliance.audit.rules import SYSTEM
from appliance.model_selection.rules import FeatureChange
from appliance.model_selection.usecases import change_features
from appliance.storage.outbox import last_sequence
from gateway.contract.catalog import load_catalog
from tests.appliance.conftest import Server
from tests.instance_builders import NOW

PATH = "/api/v4/ai/self_hosted_models"
BODY = {
    "ref": "Qwen-7B",
    "name": "Qwen 7B",
    "endpoint": "http://127.0.0.1:9000/v1/",
    "identifier": "qwen",
    "api_key": "sk-canary",
}


async def test_a_model_is_registered_and_its_key_never_shown(server: Server) -> None:
    answer = await server.ask("POST", PATH, json=BODY)
    model = answer.json()
    assert answer.status_code == 201
    assert (model["endpoint"], model["family"]) == ("http://127.0.0.1:9000/v1", "general")
    assert (model["provider"], model["local"], model["has_api_key"]) == ("shm", False, True)
    shown = await server.ask("GET", f"{PATH}/{model['id']}")
    listed = await server.ask("GET", PATH)
    assert shown.json() == model
    assert [each["ref"] for each in listed.json()] == ["smollm2-135m-instruct", "Qwen-7B"]
    assert listed.headers["x-total"] == "2"
    assert not any("canary" in each.text for each in (answer, shown, listed))


async def test_a_model_is_changed_in_parts(server: Server) -> None:
    number = (await server.ask("POST", PATH, json=BODY)).json()["id"]
    changed = await server.ask("PUT", f"{PATH}/{number}", json={"name": "Other"})
    assert (changed.status_code, changed.json()["name"]) == (200, "Other")
    assert changed.json()["has_api_key"] is True
    without = await server.ask("PUT", f"{PATH}/{number}", json={"api_key": None})
    assert without.json()["has_api_key"] is False


async def test_a_model_is_open_to_the_networks_that_are_named(server: Server) -> None:
    made = (await server.ask("POST", PATH, json={**BODY, "allowed_cidrs": ["10.1.2.3"]})).json()
    assert (made["enabled"], made["allowed_cidrs"]) == (True, ["10.1.2.3/32"])
    path = f"{PATH}/{made['id']}"
    same = (await server.ask("PUT", path, json={"enabled": False, "allowed_cidrs": None})).json()
    assert (same["enabled"], same["allowed_cidrs"]) == (False, ["10.1.2.3/32"])
    opened = (await server.ask("PUT", path, json={"enabled": True, "allowed_cidrs": []})).json()
    assert (opened["enabled"], opened["allowed_cidrs"]) == (True, [])


async def test_a_network_with_host_bits_is_refused_with_the_right_one(server: Server) -> None:
    answer = await server.ask("POST", PATH, json={**BODY, "allowed_cidrs": ["10.0.0.5/8"]})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_fields")
    assert "write 10.0.0.0/8" in answer.json()["errors"]["allowed_cidrs"]


async def test_a_model_is_removed(server: Server) -> None:
    number = (await server.ask("POST", PATH, json=BODY)).json()["id"]
    assert (await server.ask("DELETE", f"{PATH}/{number}")).status_code == 204
    for method in ("GET", "DELETE", "PUT"):
        answer = await server.ask(method, f"{PATH}/{number}", json={})
        assert answer.status_code == 404


async def test_a_model_may_have_several_endpoints_and_a_limit(server: Server) -> None:
    endpoints = ["http://127.0.0.1:9000/v1/", "http://127.0.0.1:9001/v1"]
    body = {name: value for name, value in BODY.items() if name != "endpoint"}
    wish = {**body, "endpoints": endpoints, "max_in_flight": 8}
    made = (await server.ask("POST", PATH, json=wish)).json()
    assert made["endpoints"] == ["http://127.0.0.1:9000/v1", "http://127.0.0.1:9001/v1"]
    assert (made["endpoint"], made["max_in_flight"]) == (made["endpoints"][0], 8)
    path = f"{PATH}/{made['id']}"
    same = (await server.ask("PUT", path, json={"name": "Other"})).json()
    assert (same["max_in_flight"], len(same["endpoints"])) == (8, 2)
    changed = await server.ask(
        "PUT", path, json={"max_in_flight": None, "endpoints": endpoints[1:]}
    )
    assert changed.json()["max_in_flight"] is None
    assert changed.json()["endpoints"] == endpoints[1:]


async def test_a_key_is_given_again_for_another_server(server: Server) -> None:
    path = f"{PATH}/{(await server.ask('POST', PATH, json=BODY)).json()['id']}"
    moved = {"endpoint": "http://127.0.0.1:9001/v1"}
    for wish in (moved, {"endpoints": [BODY["endpoint"], moved["endpoint"]]}):
        refused = await server.ask("PUT", path, json=wish)
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_fields")
        assert "must be given again" in refused.json()["errors"]["api_key"]
    assert (await server.ask("GET", path)).json()["endpoint"] == "http://127.0.0.1:9000/v1"
    again = await server.ask("PUT", path, json={**moved, "api_key": "sk-canary"})
    assert (again.status_code, again.json()["has_api_key"]) == (200, True)
    removed = await server.ask("PUT", path, json={"endpoint": BODY["endpoint"], "api_key": None})
    assert (removed.status_code, removed.json()["has_api_key"]) == (200, False)


async def test_one_endpoint_outside_refuses_all_of_them(server: Server) -> None:
    wish = {"endpoints": ["http://127.0.0.1:9000/v1", "http://8.8.8.8/v1"]}
    answer = await server.ask("PUT", f"{PATH}/1", json=wish)
    assert (answer.status_code, answer.json()["code"]) == (400, "endpoint_not_allowed")


async def test_a_model_in_use_goes_only_with_a_reroute(server: Server) -> None:
    number = (await server.ask("POST", PATH, json=BODY)).json()["id"]
    change = FeatureChange(features=("duo_chat",), default_ref=BODY["ref"])
    await server.db.write(
        lambda session: change_features(
            session, change, catalog=load_catalog(), actor=SYSTEM, now=NOW
        )
    )
    refused = await server.ask("DELETE", f"{PATH}/{number}")
    assert (refused.status_code, refused.json()["code"]) == (409, "model_in_use")
    assert "used by the instance for duo_chat" in refused.json()["message"]
    assert (await server.ask("DELETE", f"{PATH}/{number}?reroute=true")).status_code == 204
    assert (await server.ask("GET", f"{PATH}/{number}")).status_code == 404


async def test_every_change_is_published(server: Server) -> None:
    seen = [await server.db.read(last_sequence)]
    number = (await server.ask("POST", PATH, json=BODY)).json()["id"]
    seen.append(await server.db.read(last_sequence))
    await server.ask("PUT", f"{PATH}/{number}", json={"name": "Other"})
    seen.append(await server.db.read(last_sequence))
    await server.ask("DELETE", f"{PATH}/{number}")
    seen.append(await server.db.read(last_sequence))
    assert seen == sorted(set(seen))


@pytest.mark.parametrize("ref", ["qwen_7b", "QWEN/7B"])
async def test_a_ref_that_only_looks_different_is_taken(server: Server, ref: str) -> None:
    number = (await server.ask("POST", PATH, json=BODY)).json()["id"]
    answer = await server.ask("POST", PATH, json={**BODY, "ref": ref})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_taken")
    own = await server.ask("PUT", f"{PATH}/{number}", json={"ref": ref})
    assert own.status_code == 200


@pytest.mark.parametrize(
    "endpoint",
    [
        "http://8.8.8.8/v1",
        "http://169.254.169.254/latest",
        "http://[::ffff:127.0.0.1]/v1",
        "http://0.0.0.0:8000/v1",
        "http://0x08080808/v1",
        "file:///etc/passwd",
        "http://user:pw@127.0.0.1/v1",
    ],
)
async def test_an_endpoint_outside_the_allowed_networks_is_refused(
    server: Server, endpoint: str
) -> None:
    answer = await server.ask("POST", PATH, json={**BODY, "endpoint": endpoint})
    assert (answer.status_code, answer.json()["code"]) == (400, "endpoint_not_allowed")
    changed = await server.ask("PUT", f"{PATH}/1", json={"endpoint": endpoint})
    assert changed.status_code == 400


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"colour": "red"}, "colour"),
        ({"family": "qwen9"}, "family"),
        ({"provider": "duo"}, "provider"),
        ({"ref": "a b"}, "ref"),
        ({"name": 5}, "name"),
        ({"api_key": "a b"}, "api_key"),
        ({"enabled": "no"}, "enabled"),
        ({"ref": "DEFAULT"}, "ref"),
        ({"identifier": "azure/gpt-4o"}, "identifier"),
        ({"endpoints": ["http://127.0.0.1:9000/v1"]}, "endpoints"),
        ({"max_in_flight": 0}, "max_in_flight"),
        ({"max_in_flight": 1.5}, "max_in_flight"),
        ({"allowed_cidrs": ["office"]}, "allowed_cidrs"),
    ],
)
async def test_a_bad_field_is_named(server: Server, change: dict[str, object], field: str) -> None:
    answer = await server.ask("POST", PATH, json={**BODY, **change})
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {field})


async def test_models_are_for_admins(server: Server) -> None:
    _, pat = await server.new_user("ada")
    for method, path in (("GET", PATH), ("POST", PATH), ("GET", f"{PATH}/1"), ("PUT", f"{PATH}/1")):
        assert (await server.ask(method, path, pat=pat)).status_code == 403
