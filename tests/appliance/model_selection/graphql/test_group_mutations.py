from typing import Any

import pytest

from appliance.namespaces.rules import AccessLevel
from tests.appliance.conftest import FilledHome
from tests.appliance.model_selection.conftest import CHAT, CODE
from tests.appliance.model_selection.graphql.builders import MUTATION
from tests.appliance.model_selection.graphql.conftest import GENERATION, OLDER, SONNET, House
from tests.appliance.model_selection.rules.definitions.builders import SEED
from tests.fakes.gateway import FakeGateway, running_apart

# The example of the description, but for the name of its first field and the model.
EXAMPLE: dict[str, Any] = {"namespaceId": 1, "feature": "CODE_SUGGESTION"}
SHIPPED = """mutation ($input: AiModelSelectionNamespaceUpdateInput!) {
  aiModelSelectionNamespaceUpdate(input: $input) {
    aiFeatureSettings { feature selectedModel { ref } namespace { fullPath } locked }
    errors clientMutationId } }"""
OURS = """mutation ($input: AiFeatureSettingUpdateInput!) {
  aiNamespaceFeatureSettingUpdate(input: $input) {
    aiFeatureSettings { feature effectiveModel { ref } effectiveLevel { kind group { fullPath } }
      locked lockedBy { group { fullPath } } allowedModelRefs }
    errors clientMutationId } }"""


def gid(number: int) -> str:
    return f"gid://gitlab/Group/{number}"


async def test_the_mutation_of_the_seed_chooses_for_both_code_features(house: House) -> None:
    lab = house.lab.group("lab")
    pat = await house.owner(lab)
    wish: dict[str, Any] = {**EXAMPLE, "namespaceId": lab.id, "offeredModelRef": SONNET}
    done = await house.do(MUTATION, pat=pat, **wish)
    assert done["errors"] == []
    generation, completion = done["aiFeatureSettings"]
    assert [generation["feature"], completion["feature"]] == [
        "CODE_GENERATIONS",
        "CODE_COMPLETIONS",
    ]
    assert completion == {
        "feature": "CODE_COMPLETIONS",
        "title": "Code Completion",
        "mainFeature": "Code Suggestions",
        "provider": "VENDORED",
        "releaseState": "GA",
        "offeredModelRef": SONNET,
        "offeredModelName": SONNET.title(),
        "offeredModels": completion["offeredModels"],
    }
    refs = [each["ref"] for each in completion["offeredModels"]["nodes"]]
    assert refs[:4] == ["a", OLDER, SONNET, "gemma"]
    assert house.lab.view(lab, GENERATION).here.model == SONNET
    assert house.lab.view(lab, CODE).here.model == SONNET


@pytest.mark.parametrize("form", ["{0}", '"{0}"', '"gid://gitlab/Group/{0}"'])
async def test_the_group_may_be_named_in_each_way(house: House, form: str) -> None:
    lab = house.lab.group("lab")
    literal = form.format(lab.id)
    query = f"""mutation {{ aiNamespaceFeatureSettingUpdate(input: {{ namespaceId: {literal},
      feature: DUO_CHAT, offeredModelRef: "a" }}) {{ errors }} }}"""
    done = await house.asker.data(query, pat=await house.owner(lab))
    assert done["aiNamespaceFeatureSettingUpdate"] == {"errors": []}


@pytest.mark.parametrize("wrong", ["lab", "", "gid://gitlab/User/1"])
async def test_what_names_no_group_is_refused(house: House, wrong: str) -> None:
    wish = {"namespaceId": wrong, "feature": "DUO_CHAT", "offeredModelRef": "a"}
    assert await house.asker.code(MUTATION, input=wish) == "global_id_invalid"


async def test_the_misspelt_field_of_the_example_is_refused_naming_the_right_one(
    house: House,
) -> None:
    wish: dict[str, Any] = {
        "namespeceId": 1,
        "feature": "CODE_SUGGESTION",
        "offeredModelRef": SONNET,
    }
    told = await house.asker.error(MUTATION, input=wish)
    assert "unknown field 'namespeceId'. Did you mean 'namespaceId'?" in told["message"]
    literal = MUTATION.replace("($input: AiFeatureSettingUpdateInput!)", "").replace(
        "$input", f'{{ namespeceId: 1, feature: CODE_SUGGESTION, offeredModelRef: "{SONNET}" }}'
    )
    told = await house.asker.error(literal)
    assert "unknown field 'namespeceId'. Did you mean 'namespaceId'?" in told["message"]


@pytest.mark.parametrize(
    ("wish", "sentences"),
    [
        ({}, ["namespaceId: is required", "feature: is required"]),
        ({"namespaceId": "{lab}", "offeredModelRef": "a"}, ["feature: is required"]),
        (
            {"namespaceId": "{lab}", "feature": "DUO_CHAT"},
            ['offeredModelRef: is required; "" goes back to what the level above says'],
        ),
        (
            {
                "namespaceId": "{lab}",
                "feature": "DUO_CHAT",
                "offeredModelRef": "a",
                "provider": "VENDORED",
                "features": ["DUO_CHAT"],
                "aiSelfHostedModelId": "gid://gitlab/Ai::SelfHostedModel/1",
            },
            [
                "features: belongs to aiFeatureSettingUpdate; leave it out here",
                "provider: belongs to aiFeatureSettingUpdate; leave it out here",
                "aiSelfHostedModelId: belongs to aiFeatureSettingUpdate; leave it out here",
            ],
        ),
        (
            {"namespaceId": "{lab}", "feature": "DUO_CHAT", "offeredModelRef": "", "locked": True},
            ["locked: leave it out where offeredModelRef is empty"],
        ),
    ],
)
async def test_what_is_missing_or_belongs_elsewhere_is_named(
    house: House, wish: dict[str, Any], sentences: list[str]
) -> None:
    lab = str(house.lab.group("lab").id)
    asked = {name: lab if value == "{lab}" else value for name, value in wish.items()}
    assert await house.refusals(MUTATION, **asked) == sentences


async def _chosen(house: House, ref: str, feature: str = "DUO_CHAT") -> str:
    """The one sentence with which a model is refused in a group of its own."""
    lab = house.lab.group("lab")
    wish: dict[str, Any] = {"namespaceId": lab.id, "feature": feature, "offeredModelRef": ref}
    (sentence,) = await house.refusals(MUTATION, pat=await house.owner(lab), **wish)
    assert house.lab.view(lab).choice is None
    return sentence


async def test_an_unknown_model_is_refused_naming_the_nearest(house: House) -> None:
    sentence = await _chosen(house, "claude-3-7-sonnet-20250219")
    assert sentence.startswith("offeredModelRef: there is no model 'claude-3-7-sonnet-20250219'")
    assert sentence.endswith(f"the nearest is {SONNET}")


async def test_the_model_of_the_example_is_refused_for_what_its_own_document_says(
    house: House, filled: FilledHome
) -> None:
    server, lab = house.asker.server, house.lab.group("lab")
    wish = {**EXAMPLE, "namespaceId": lab.id, "offeredModelRef": "claude-3-7-sonnet-20250219"}
    with running_apart(FakeGateway(signing=filled.keys.signing)) as gateway:
        gateway.definitions = SEED
        at = {"ai_gateway_url": gateway.url}
        assert (await server.ask("PUT", "/api/v4/ai/settings", json=at)).status_code == 200
        looked = await server.ask("POST", "/api/v4/ai/offered_models/sync")
        assert looked.json()["succeeded"]
    (refused,) = await house.refusals(MUTATION, **wish)
    assert refused == (
        "offeredModelRef: 'claude-3-7-sonnet-20250219' is selectable for code_completions, "
        "code_generations, duo_chat in the gateway's definitions, but not in their models; "
        f"the nearest is {SONNET}"
    )
    assert (await house.do(MUTATION, **{**wish, "offeredModelRef": SONNET}))["errors"] == []


async def test_a_model_that_does_not_suit_is_refused(house: House) -> None:
    sentence = await _chosen(house, "gemma")
    assert "gemma is of the family codegemma, which does not suit duo_chat" in sentence


async def test_a_model_that_can_not_be_used_is_refused(house: House) -> None:
    house.lab.offer("gone", CHAT, retired_at=house.asker.server.clock())
    assert "The gateway no longer offers it." in await _chosen(house, "gone")


async def test_a_model_that_the_level_above_does_not_offer_is_refused(house: House) -> None:
    house.lab.set(default_ref=SONNET, allowed=(SONNET, OLDER))
    sentence = await _chosen(house, "a")
    assert "offeredModelRef: " in sentence
    assert "the instance" in sentence
    assert SONNET in sentence


async def test_an_unknown_feature_is_refused_naming_the_nearest(house: House) -> None:
    wish: dict[str, Any] = {"namespaceId": 1, "feature": "DUO_CHATT", "offeredModelRef": "a"}
    message = (await house.asker.error(MUTATION, input=wish))["message"]
    assert "'DUO_CHATT' does not exist in 'AiFeatures' enum. Did you mean" in message


@pytest.mark.parametrize("empty", ["", None])
async def test_a_choice_is_taken_back(house: House, empty: str | None) -> None:
    lab = house.lab.group("lab")
    house.lab.choose(lab, "a")
    wish: dict[str, Any] = {"namespaceId": lab.id, "feature": "DUO_CHAT", "offeredModelRef": empty}
    done = await house.do(OURS, pat=await house.owner(lab), **wish, clientMutationId="mine")
    assert done == {
        "aiFeatureSettings": [
            {
                "feature": "DUO_CHAT",
                "effectiveModel": {"ref": SONNET},
                "effectiveLevel": {"kind": "INSTANCE", "group": None},
                "locked": False,
                "lockedBy": None,
                "allowedModelRefs": None,
            }
        ],
        "errors": [],
        "clientMutationId": "mine",
    }


async def test_a_choice_may_be_locked_and_narrow_and_keeps_both(house: House) -> None:
    lab = house.lab.group("lab")
    pat = await house.owner(lab)
    place: dict[str, Any] = {"namespaceId": lab.id, "feature": "DUO_CHAT"}
    terms: dict[str, Any] = {"allowedModelRefs": ["a", SONNET], "locked": True}
    done = await house.do(OURS, pat=pat, **place, offeredModelRef="a", **terms)
    assert (done["aiFeatureSettings"][0]["locked"], done["errors"]) == (True, [])
    # A client of the real system knows of neither.
    wish: dict[str, Any] = {
        "groupId": gid(lab.id),
        "features": ["DUO_CHAT"],
        "offeredModelRef": SONNET,
    }
    assert (await house.do(SHIPPED, pat=pat, **wish))["errors"] == []
    kept = await house.do(OURS, pat=pat, **place, offeredModelRef=SONNET)
    assert kept["aiFeatureSettings"][0] == {
        "feature": "DUO_CHAT",
        "effectiveModel": {"ref": SONNET},
        "effectiveLevel": {"kind": "GROUP", "group": {"fullPath": "lab"}},
        "locked": True,
        "lockedBy": {"group": {"fullPath": "lab"}},
        "allowedModelRefs": ["a", SONNET],
    }
    (refused,) = await house.refusals(OURS, pat=pat, **place, offeredModelRef=OLDER)
    assert refused.startswith("allowedModelRefs: must have the chosen model")
    freed: dict[str, Any] = {"allowedModelRefs": None, "locked": False}
    done = await house.do(OURS, pat=pat, **place, offeredModelRef=OLDER, **freed)
    assert (done["aiFeatureSettings"][0]["lockedBy"], done["errors"]) == (None, [])


async def test_the_shipped_mutation_chooses_for_several_features(house: House) -> None:
    lab = house.lab.group("lab")
    pat = await house.owner(lab)
    house.lab.choose(lab, OLDER, is_locked=True)
    features = ["CODE_COMPLETIONS", "DUO_CHAT"]
    wish: dict[str, Any] = {"groupId": gid(lab.id), "features": features, "clientMutationId": "7"}
    done = await house.do(SHIPPED, pat=pat, **wish, offeredModelRef="a")
    assert done == {
        "aiFeatureSettings": [
            {
                "feature": name,
                "selectedModel": {"ref": "a"},
                "namespace": {"fullPath": "lab"},
                "locked": name == CHAT,
            }
            for name in (CODE, CHAT)
        ],
        "errors": [],
        "clientMutationId": "7",
    }
    back = await house.do(SHIPPED, pat=pat, **wish, offeredModelRef="")
    assert [each["selectedModel"] for each in back["aiFeatureSettings"]] == [None, None]
    wrong = {**wish, "features": []}
    for ref in ("a", ""):
        (refused,) = await house.refusals(SHIPPED, pat=pat, **wrong, offeredModelRef=ref)
        assert refused == "features: is required"


async def test_all_features_are_changed_or_none(house: House) -> None:
    lab = house.lab.group("lab")
    # Its lock is kept, so that the two features are changed one after the other.
    house.lab.choose(lab, "a", CODE, is_locked=True)
    features = ["CODE_COMPLETIONS", "DUO_CHAT"]
    wish: dict[str, Any] = {
        "groupId": gid(lab.id),
        "features": features,
        "offeredModelRef": "gemma",
    }
    (refused,) = await house.refusals(SHIPPED, pat=await house.owner(lab), **wish)
    assert "does not suit duo_chat" in refused
    assert house.lab.view(lab, CODE).here.model == "a"


async def test_a_locked_or_disabled_feature_is_refused(house: House) -> None:
    lab = house.lab.group("lab")
    child = house.lab.group("child", parent=lab)
    house.lab.choose(lab, "a", is_locked=True)
    house.lab.set(CODE, provider="disabled")
    pat = await house.owner(child)
    wish: dict[str, Any] = {"groupId": gid(child.id), "offeredModelRef": "a"}
    (locked,) = await house.refusals(SHIPPED, pat=pat, **wish, features=["DUO_CHAT"])
    assert locked == f"The model of {CHAT} is locked by the group lab, so nothing below chooses."
    (disabled,) = await house.refusals(SHIPPED, pat=pat, **wish, features=["CODE_COMPLETIONS"])
    assert disabled.startswith(f"The feature {CODE} is disabled for the whole instance")


async def test_members_read_owners_write_and_others_know_of_nothing(house: House) -> None:
    lab = house.lab.group("lab")
    member = await house.person("ada", (lab, AccessLevel.MAINTAINER))
    stranger = await house.person("eve")
    shipped: dict[str, Any] = {
        "groupId": gid(lab.id),
        "features": ["DUO_CHAT"],
        "offeredModelRef": "a",
    }
    seeds: dict[str, Any] = {"namespaceId": lab.id, "feature": "DUO_CHAT", "offeredModelRef": "a"}
    for query, wish, unknown in (
        (SHIPPED, shipped, {**shipped, "groupId": gid(999)}),
        (MUTATION, seeds, {**seeds, "namespaceId": 999}),
        (MUTATION, {**seeds, "offeredModelRef": ""}, {**seeds, "namespaceId": 999}),
    ):
        code = await house.asker.code(query, pat=member, input=wish)
        assert code == "access_level_needed"
        hidden = await house.asker.post(query, pat=stranger, input=wish)
        nothing = await house.asker.post(query, pat=stranger, input=unknown)
        assert hidden.content == nothing.content
        assert nothing.json()["errors"][0]["extensions"] == {"code": "not_found"}
    assert house.lab.view(lab).choice is None


async def test_without_the_flag_nothing_is_changed_and_everything_can_be_read(
    house: House,
) -> None:
    lab = house.lab.group("lab")
    house.lab.choose(lab, "a")
    pat = await house.owner(lab)
    house.lab.switch("ai_model_switching", value=False)
    for ref in (SONNET, ""):
        wish = {"namespaceId": lab.id, "feature": "DUO_CHAT", "offeredModelRef": ref}
        (refused,) = await house.refusals(MUTATION, pat=pat, **wish)
        assert "the feature flag ai_model_switching is off" in refused
    query = f"""{{ aiNamespaceFeatureSettings(namespaceId: {lab.id}) {{ nodes {{
      feature offeredModelRef suspended effectiveModel {{ ref }} }} }} }}"""
    nodes = (await house.asker.data(query, pat=pat))["aiNamespaceFeatureSettings"]["nodes"]
    assert nodes[2] == {
        "feature": "DUO_CHAT",
        "offeredModelRef": "a",
        "suspended": "It does not count: the feature flag ai_model_switching is off.",
        "effectiveModel": {"ref": SONNET},
    }


async def test_a_token_for_reading_chooses_nothing(house: House) -> None:
    lab = house.lab.group("lab")
    _, reader = await house.asker.server.new_user("rita", "read_api")
    wish: dict[str, Any] = {"namespaceId": lab.id, "feature": "DUO_CHAT", "offeredModelRef": "a"}
    assert await house.asker.code(MUTATION, pat=reader, input=wish) == "insufficient_scope"
