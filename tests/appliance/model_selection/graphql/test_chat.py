from typing import Any

from appliance.namespaces.rules import AccessLevel
from tests.appliance.model_selection.conftest import CHAT
from tests.appliance.model_selection.graphql.conftest import LOCAL, House

# As those clients ask.
CHATS = """query ($project: ProjectID, $group: GroupID) {
  aiChatAvailableModels(projectId: $project, rootNamespaceId: $group) {
    defaultModel { name ref } selectableModels { name ref } pinnedModel { name ref } }
  metadata { version featureFlags(names: ["ai_user_model_switching"]) { enabled name } } }"""
AGENTIC = "duo_agent_platform_agentic_chat"


async def _chat(house: House, **asked: Any) -> Any:
    return (await house.asker.data(CHATS, **asked))["aiChatAvailableModels"]


async def test_chat_clients_learn_what_they_may_use(house: House) -> None:
    lab = house.lab.group("lab")
    pat = await house.person("ada", (lab, AccessLevel.OWNER))
    body = {"name": "p", "namespace_id": lab.id}
    made = await house.asker.server.ask("POST", "/api/v4/projects", pat=pat, json=body)
    project = gid("Project", made.json()["id"])
    house.lab.set(AGENTIC, default_ref="a")
    of_all = {
        "defaultModel": {"name": "A", "ref": "a"},
        "pinnedModel": None,
        "selectableModels": [
            {"name": "A", "ref": "a"},
            {"name": "SmolLM2 135M Instruct (demonstration model)", "ref": LOCAL},
        ],
    }
    group = gid("Group", lab.id)
    assert await _chat(house, pat=pat, group=group) == of_all
    assert await _chat(house, pat=pat, project=project) == of_all
    assert await _chat(house, pat=pat) == of_all
    assert await _chat(house, pat=await house.person("eve")) == of_all
    house.lab.choose(lab, LOCAL, AGENTIC, is_locked=True)
    pinned = await _chat(house, pat=pat, project=project)
    assert pinned["pinnedModel"]["ref"] == pinned["defaultModel"]["ref"] == LOCAL
    assert [each["ref"] for each in pinned["selectableModels"]] == [LOCAL]


async def test_chat_clients_learn_nothing_of_groups_that_they_are_not_in(house: House) -> None:
    lab = house.lab.group("lab")
    pat = await house.person("ada")
    unknown = await house.asker.post(CHATS, pat=pat, group=gid("Group", 999))
    hidden = await house.asker.post(CHATS, pat=pat, group=gid("Group", lab.id))
    assert hidden.content == unknown.content
    assert await house.asker.code(CHATS, pat=pat, project=gid("Project", 999)) == "not_found"


async def test_a_disabled_chat_has_no_models(house: House) -> None:
    house.lab.set(AGENTIC, provider="disabled")
    found = await _chat(house)
    assert found == {"defaultModel": None, "pinnedModel": None, "selectableModels": []}


async def test_without_the_flag_the_default_is_all_there_is(house: House) -> None:
    house.lab.set(AGENTIC, default_ref="a")
    house.lab.switch("ai_model_switching", value=False)
    found = await _chat(house, pat=await house.person("ada"))
    assert found["pinnedModel"]["ref"] == "a"
    assert [each["ref"] for each in found["selectableModels"]] == ["a"]


def gid(kind: str, number: int) -> str:
    return f"gid://gitlab/{kind}/{number}"


async def test_asking_costs_no_query_for_each_model(house: House) -> None:
    group = gid("Group", house.lab.group("lab").id)
    few = await house.statements(CHATS, group=group)
    for number in range(4):
        house.lab.model(f"more-{number}")
        house.lab.offer(f"brought-{number}", CHAT, AGENTIC)
    assert len((await _chat(house, group=group))["selectableModels"]) > 8
    assert await house.statements(CHATS, group=group) == few <= 30


async def test_every_kind_of_token_may_ask(house: House) -> None:
    for scope in ("api", "read_api", "ai_features"):
        _, pat = await house.asker.server.new_user(f"u-{scope}", scope)
        assert await house.asker.data("{ aiChatAvailableModels { pinnedModel { ref } } }", pat=pat)
