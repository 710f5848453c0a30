from tests.graphql_asker import Asker

FLAG = "ai_duo_chat_switch"
ENABLED = f'{{ featureFlagEnabled(name: "{FLAG}") }}'


async def test_the_release_is_told_as_over_rest(asker: Asker) -> None:
    rest = (await asker.server.ask("GET", "/api/v4/metadata")).json()
    got = await asker.data("{ metadata { version revision enterprise } }")
    assert got["metadata"] == {key: rest[key] for key in ("version", "revision", "enterprise")}


async def test_flags_are_told_in_the_order_asked_for(asker: Asker) -> None:
    query = (
        "query ($names: [String!]!) { metadata { featureFlags(names: $names) { name enabled } } }"
    )
    names = ["no_such_flag", "ai_global_switch"]
    assert (await asker.data(query, names=names))["metadata"]["featureFlags"] == [
        {"name": "no_such_flag", "enabled": False},
        {"name": "ai_global_switch", "enabled": True},
    ]


async def test_editors_are_told_that_models_of_chat_can_be_chosen(asker: Asker) -> None:
    names = 'featureFlags(names: ["ai_user_model_switching"]) { enabled name }'
    query = f"{{ metadata {{ version {names} }} }}"
    (told,) = (await asker.data(query))["metadata"]["featureFlags"]
    assert told == {"name": "ai_user_model_switching", "enabled": True}


async def test_a_flag_is_as_it_is_for_who_asks(asker: Asker) -> None:
    _, pat = await asker.server.new_user("ada")
    body = {"value": "false", "user": "ada"}
    await asker.server.ask("POST", f"/api/v4/features/{FLAG}", json=body)
    assert await asker.data(ENABLED, pat=pat) == {"featureFlagEnabled": False}
    assert await asker.data(ENABLED) == {"featureFlagEnabled": True}


async def test_a_flag_is_as_it_is_in_the_default_group(asker: Asker) -> None:
    ada, pat = await asker.server.new_user("ada")
    group = {"name": "lab", "path": "lab"}
    lab = (await asker.server.ask("POST", "/api/v4/groups", json=group)).json()["id"]
    member = {"user_id": ada, "access_level": 10}
    await asker.server.ask("POST", f"/api/v4/groups/{lab}/members", json=member)
    body = {"value": "false", "group": "lab"}
    await asker.server.ask("POST", f"/api/v4/features/{FLAG}", json=body)
    assert await asker.data(ENABLED, pat=pat) == {"featureFlagEnabled": False}
