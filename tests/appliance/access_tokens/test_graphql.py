from typing import Any

from tests.graphql_asker import Asker

QUERY = """{ currentUser { duoChatAvailable duoCodeSuggestionsAvailable
  duoChatAvailableFeatures } }"""
NOTHING = {
    "duoChatAvailable": False,
    "duoCodeSuggestionsAvailable": False,
    "duoChatAvailableFeatures": [],
}


async def _own(asker: Asker, pat: str) -> Any:
    return (await asker.data(QUERY, pat=pat))["currentUser"]


async def test_without_a_seat_nothing_is_available(asker: Asker) -> None:
    _, pat = await asker.server.new_user("ada", "ai_features")
    assert await _own(asker, pat) == NOTHING
    asker.buy()
    assert await _own(asker, pat) == NOTHING


async def test_a_seat_makes_available_what_it_opens(asker: Asker) -> None:
    asker.buy()
    ada, pat = await asker.server.new_user("ada", "ai_features")
    path = f"/api/v4/ai/add_on_purchases/{asker.purchase()}/seats"
    await asker.server.ask("POST", path, json={"user_ids": [ada]})
    found = await _own(asker, pat)
    assert (found["duoChatAvailable"], found["duoCodeSuggestionsAvailable"]) == (True, True)
    contexts = found["duoChatAvailableFeatures"]
    assert "include_file_context" in contexts
    assert contexts == sorted(contexts)


async def test_a_flag_takes_away_what_it_guards(asker: Asker) -> None:
    asker.buy()
    ada, pat = await asker.server.new_user("ada", "ai_features")
    path = f"/api/v4/ai/add_on_purchases/{asker.purchase()}/seats"
    await asker.server.ask("POST", path, json={"user_ids": [ada]})
    await asker.server.ask("POST", "/api/v4/features/ai_duo_chat_switch", json={"value": "false"})
    assert await _own(asker, pat) == {**NOTHING, "duoCodeSuggestionsAvailable": True}
