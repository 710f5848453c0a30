from typing import Any

import pytest

from appliance.namespaces.rules import AccessLevel
from tests.appliance.model_selection.conftest import CHAT
from tests.appliance.model_selection.graphql.builders import QUERY
from tests.appliance.model_selection.graphql.conftest import LOCAL, OLDER, SONNET, House
from tests.graphql_asker import Asker

SHIPPED = """query ($group: GroupID!) { aiModelSelectionNamespaceSettings(groupId: $group) {
  nodes { feature title mainFeature selectedModel { ref name } defaultModel { ref name }
    selectableModels { ref name modelProvider modelDescription costIndicator }
    namespace { id name fullPath } } } }"""
OURS = """{ nodes { feature effectiveModel { ref } effectiveLevel { kind group { fullPath } }
  mayBeChangedBy locked lockedBy { kind group { id } } allowedModelRefs suspended } }"""
# As an admin's page of the real system asks.
FEATURES = """query ($model: AiSelfHostedModelID, $first: Int, $after: String, $last: Int) {
  aiFeatureSettings(selfHostedModelId: $model, first: $first, after: $after, last: $last) {
  nodes { feature title mainFeature compatibleLlms provider releaseState
    selfHostedModel { id name modelDisplayName releaseState } gitlabModel { ref name }
    defaultGitlabModel { ref name }
    validModels { nodes { id name modelDisplayName releaseState } }
    validGitlabModels { nodes { ref name } } }
  pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""
MODELS = """query ($id: AiSelfHostedModelID) { aiSelfHostedModels(id: $id) {
  nodes { id name model modelDisplayName endpoint identifier apiToken hasApiToken releaseState
    createdAt updatedAt ref provider endpoints allowedCidrs maxInFlight enabled state
    featureSettings { nodes { feature title } } } edges { cursor node { ref } } } }"""


def gid(kind: str, number: int) -> str:
    return f"gid://gitlab/{kind}/{number}"


async def _nodes(house: House, query: str, **asked: Any) -> dict[str, Any]:
    (found,) = (await house.asker.data(query, **asked)).values()
    return {each["feature"].lower(): each for each in found["nodes"]}


async def test_the_document_of_the_seed_is_answered_with_a_literal_in_place(house: House) -> None:
    lab = house.lab.group("lab")
    pat = await house.person("ada", (lab, AccessLevel.GUEST))
    forms = (lab.id, f'"{lab.id}"', f'"{gid("Group", lab.id)}"', f'"{gid("Namespace", lab.id)}"')
    first, *others = [
        await _nodes(house, QUERY.replace("$ID", str(form)), pat=pat) for form in forms
    ]
    assert all(each == first for each in others)
    assert list(first) == list(house.lab.catalog.features)
    assert first[CHAT] == {
        "feature": "DUO_CHAT",
        "title": "General Chat",
        "mainFeature": "GitLab Duo Chat",
        "provider": "VENDORED",
        "releaseState": "GA",
        "offeredModelRef": None,
        "offeredModelName": None,
        "offeredModels": {
            "nodes": [
                {"ref": "a", "name": "A"},
                {"ref": OLDER, "name": OLDER.title()},
                {"ref": SONNET, "name": SONNET.title()},
                {"ref": LOCAL, "name": "SmolLM2 135M Instruct (demonstration model)"},
            ]
        },
    }


@pytest.mark.parametrize("wrong", ['"lab"', '"gid://gitlab/User/1"', "0", "-1", '"07"', '""'])
async def test_what_names_no_group_is_refused_with_a_sentence(house: House, wrong: str) -> None:
    assert await house.asker.code(QUERY.replace("$ID", wrong)) == "global_id_invalid"


async def test_a_group_that_one_is_not_in_is_answered_as_one_that_is_not_there(
    house: House,
) -> None:
    hidden, public = house.lab.group("lab"), house.lab.group("town", visibility="public")
    pat = await house.person("ada", (house.lab.group("own"), AccessLevel.OWNER))
    for query in (QUERY.replace("$ID", "$group").replace("{", "($group: ID!) {", 1), SHIPPED):
        unknown = await house.asker.post(query, pat=pat, group=gid("Group", 999))
        assert unknown.json()["errors"][0]["extensions"] == {"code": "not_found"}
        for group in (hidden, public):
            got = await house.asker.post(query, pat=pat, group=gid("Group", group.id))
            assert got.content == unknown.content


async def test_the_shipped_names_show_choice_default_and_what_there_is(house: House) -> None:
    lab = house.lab.group("lab")
    house.lab.choose(lab, "a")
    pat = await house.person("ada", (lab, AccessLevel.REPORTER))
    found = await _nodes(house, SHIPPED, pat=pat, group=gid("Group", lab.id))
    assert "glab_ask_git_command" not in found
    chat = found[CHAT]
    assert chat["selectedModel"] == {"ref": "a", "name": "A"}
    assert chat["defaultModel"]["ref"] == SONNET
    assert [each["ref"] for each in chat["selectableModels"]] == ["a", OLDER, SONNET, LOCAL]
    assert chat["selectableModels"][1]["modelProvider"] == "duo"
    assert chat["namespace"] == {"id": gid("Group", lab.id), "name": "Lab", "fullPath": "lab"}
    assert found["duo_agent_platform"]["selectedModel"] is None


async def test_each_setting_says_what_holds_and_who_says_so(house: House) -> None:
    lab = house.lab.group("lab")
    child = house.lab.group("child", parent=lab)
    house.lab.choose(child, OLDER)
    house.lab.choose(lab, "a", is_locked=True, narrowed_to=("a", SONNET))
    pat = await house.person("ada", (child, AccessLevel.OWNER))
    query = f"{{ aiNamespaceFeatureSettings(namespaceId: {child.id}) {OURS} }}"
    found = await _nodes(house, query, pat=pat)
    assert found[CHAT] == {
        "feature": "DUO_CHAT",
        "effectiveModel": {"ref": "a"},
        "effectiveLevel": {"kind": "GROUP", "group": {"fullPath": "lab"}},
        "mayBeChangedBy": found[CHAT]["mayBeChangedBy"],
        "locked": True,
        "lockedBy": {"kind": "GROUP", "group": {"id": gid("Group", lab.id)}},
        "allowedModelRefs": None,
        "suspended": "It does not count: the model is locked by the group lab.",
    }
    assert "lab" in found[CHAT]["mayBeChangedBy"]
    other = found["code_completions"]
    assert other["effectiveLevel"] == {"kind": "INSTANCE", "group": None}
    assert (other["locked"], other["lockedBy"], other["suspended"]) == (False, None, None)
    above = f"{{ aiNamespaceFeatureSettings(namespaceId: {lab.id}) {OURS} }}"
    assert (await _nodes(house, above))[CHAT]["allowedModelRefs"] == ["a", SONNET]


async def test_what_the_instance_locked_is_locked_by_the_instance(house: House) -> None:
    lab = house.lab.group("lab")
    house.lab.set(default_ref="a", is_locked=True)
    query = f"{{ aiNamespaceFeatureSettings(namespaceId: {lab.id}) {OURS} }}"
    found = (await _nodes(house, query))[CHAT]
    assert found["lockedBy"] == {"kind": "INSTANCE", "group": None}


async def test_features_of_the_instance_are_shown_as_an_admins_page_asks(house: House) -> None:
    house.lab.set(CHAT, default_ref="a")
    found = await _nodes(house, FEATURES)
    assert list(found) == list(house.lab.catalog.features)
    chat, code = found[CHAT], found["code_completions"]
    assert (chat["provider"], chat["gitlabModel"]) == ("self_hosted", None)
    assert chat["selfHostedModel"]["name"] == "A"
    assert chat["selfHostedModel"]["id"].startswith("gid://gitlab/Ai::SelfHostedModel/")
    assert chat["defaultGitlabModel"]["ref"] == SONNET
    assert (code["provider"], code["selfHostedModel"]) == ("vendored", None)
    assert code["gitlabModel"]["ref"] == SONNET
    assert [each["name"] for each in code["validModels"]["nodes"]][:2] == ["A", "Gemma"]
    assert [each["ref"] for each in chat["validGitlabModels"]["nodes"]] == [OLDER, SONNET]
    assert "codegemma" in code["compatibleLlms"]
    assert found["summarize_review"]["releaseState"] == "EXPERIMENT"
    assert found["summarize_review"]["provider"] == "unassigned"


async def test_features_that_use_a_model_are_found_by_it(house: House) -> None:
    house.lab.set(CHAT, default_ref="a")
    models = (await house.asker.data(MODELS))["aiSelfHostedModels"]["nodes"]
    number = next(each["id"] for each in models if each["ref"] == "a")
    assert list(await _nodes(house, FEATURES, model=number)) == [CHAT]
    unknown = gid("Ai::SelfHostedModel", 999)
    assert await house.asker.code(FEATURES, model=unknown) == "not_found"


async def test_features_come_in_pages_both_ways(house: House) -> None:
    names = list(house.lab.catalog.features)
    seen: list[str] = []
    after = None
    while True:
        page = (await house.asker.data(FEATURES, first=5, after=after))["aiFeatureSettings"]
        seen += [each["feature"] for each in page["nodes"]]
        after = page["pageInfo"]["endCursor"]
        if not page["pageInfo"]["hasNextPage"]:
            break
    assert seen == names
    last = (await house.asker.data(FEATURES, last=2))["aiFeatureSettings"]
    assert [each["feature"] for each in last["nodes"]] == names[-2:]
    assert last["pageInfo"]["hasPreviousPage"]
    assert await house.asker.code(FEATURES, first=-1) == "invalid_fields"


async def test_a_self_hosted_model_is_shown_without_its_key(house: House) -> None:
    house.lab.model(
        "b",
        family="mistral",
        endpoints=("http://127.0.0.1:2/v1", "http://127.0.0.1:3/v1"),
        endpoint=None,
        api_key="very-secret",
        allowed_networks=["10.0.0.0/8"],
        max_in_flight=7,
    )
    house.lab.set(CHAT, default_ref="b")
    listed = (await house.asker.data(MODELS))["aiSelfHostedModels"]
    assert [each["ref"] for each in listed["nodes"]] == [LOCAL, "a", "gemma", "b"]
    assert listed["edges"][0]["node"]["ref"] == LOCAL
    shown = listed["nodes"][-1]
    alone = await house.asker.answer(MODELS, id=shown["id"])
    assert alone["data"]["aiSelfHostedModels"]["nodes"] == [shown]
    assert "very-secret" not in str(listed)
    assert shown == {
        "id": shown["id"],
        "name": "B",
        "model": "mistral",
        "modelDisplayName": "Mistral",
        "endpoint": "http://127.0.0.1:2/v1",
        "identifier": "b",
        "apiToken": "********",
        "hasApiToken": True,
        "releaseState": "GA",
        "createdAt": "2026-11-21T12:00:00+00:00",
        "updatedAt": "2026-11-21T12:00:00+00:00",
        "ref": "b",
        "provider": "shm",
        "endpoints": ["http://127.0.0.1:2/v1", "http://127.0.0.1:3/v1"],
        "allowedCidrs": ["10.0.0.0/8"],
        "maxInFlight": 7,
        "enabled": True,
        "state": None,
        "featureSettings": {"nodes": [{"feature": CHAT, "title": "General Chat"}]},
    }
    assert await house.asker.code(MODELS, id=gid("Ai::SelfHostedModel", 999)) == "not_found"


async def test_what_is_the_instances_is_for_admins(house: House) -> None:
    pat = await house.person("ada")
    instance = "{ aiInstanceFeatureSettings { nodes { feature } } }"
    for query in (FEATURES, MODELS, instance):
        assert await house.asker.code(query, pat=pat) == "admin_needed"


async def test_the_instances_own_settings_say_what_is_left_to_groups(house: House) -> None:
    house.lab.set(CHAT, default_ref="a", allowed=("a", SONNET), is_locked=True)
    query = """{ aiInstanceFeatureSettings { nodes { feature provider changed defaultModelRef
      defaultModelName allowedModelRefs locked problem updatedAt effectiveModel { ref }
      selectableModels { ref } offeredModels(first: 2) { nodes { ref problem } } } } }"""
    found = await _nodes(house, query)
    assert found[CHAT] == {
        "feature": "DUO_CHAT",
        "provider": "SELF_HOSTED",
        "changed": True,
        "defaultModelRef": "a",
        "defaultModelName": "A",
        "allowedModelRefs": ["a", SONNET],
        "locked": True,
        "problem": None,
        "updatedAt": "2026-11-21T12:00:00+00:00",
        "effectiveModel": {"ref": "a"},
        "selectableModels": [{"ref": "a"}, {"ref": SONNET}],
        "offeredModels": {
            "nodes": [{"ref": "a", "problem": None}, {"ref": OLDER, "problem": None}]
        },
    }
    untouched = found["summarize_review"]
    assert (untouched["changed"], untouched["defaultModelRef"]) == (False, None)


async def test_models_say_whether_what_is_owned_entitles_to_them(house: House) -> None:
    lab = house.lab.group("lab")
    query = f"""{{ aiNamespaceFeatureSettings(namespaceId: {lab.id}) {{ nodes {{ feature
      offeredModels {{ nodes {{ ref entitled notEntitledReason releaseState }} }} }} }} }}"""
    before = (await _nodes(house, query))[CHAT]["offeredModels"]["nodes"]
    assert not any(each["entitled"] for each in before)
    assert all(each["notEntitledReason"] for each in before)
    house.asker.buy()
    after = (await _nodes(house, query))[CHAT]["offeredModels"]["nodes"]
    assert {each["ref"]: each["entitled"] for each in after} == {
        "a": False,
        OLDER: True,
        SONNET: True,
        LOCAL: False,
    }
    assert {each["releaseState"] for each in after} <= {"GA", "BETA"}


async def test_lists_cost_no_query_for_each_item(house: House) -> None:
    lab = house.lab.group("lab")
    ours = f"""{{ aiNamespaceFeatureSettings(namespaceId: {lab.id}) {{ nodes {{ feature
      lockedBy {{ kind }} effectiveModel {{ ref entitled }}
      offeredModels {{ nodes {{ ref entitled }} }} }} }} }}"""
    instance = "{ aiInstanceFeatureSettings { nodes { selectableModels { ref entitled } } } }"
    asked: tuple[tuple[str, dict[str, Any]], ...] = (
        (ours, {}),
        (SHIPPED, {"group": gid("Group", lab.id)}),
        (FEATURES, {}),
        (MODELS, {}),
        (instance, {}),
    )
    house.lab.set(default_ref="a")
    house.lab.choose(lab, SONNET)
    before = [await house.statements(query, **variables) for query, variables in asked]
    for number in range(4):
        house.lab.model(f"more-{number}")
        house.lab.offer(f"brought-{number}", CHAT)
    for name in ("code_completions", CHAT):
        house.lab.set(name, default_ref="more-1")
        house.lab.choose(lab, "more-2", name)
    assert [await house.statements(query, **variables) for query, variables in asked] == before
    assert max(before) <= 30


async def test_the_lists_can_be_asked_for_with_everything_in_them(asker: Asker) -> None:
    # Within what one query may cost, though no length is given.
    assert (await asker.data(FEATURES))["aiFeatureSettings"]["nodes"]
    assert (await asker.data(MODELS))["aiSelfHostedModels"]["nodes"]
