from typing import Any

import pytest

from tests.appliance.model_selection.conftest import CHAT, CODE
from tests.appliance.model_selection.graphql.conftest import GENERATION, OLDER, SONNET, House

UPDATE = """mutation ($input: AiFeatureSettingUpdateInput!) {
  aiFeatureSettingUpdate(input: $input) {
    aiFeatureSettings { feature provider selfHostedModel { name } gitlabModel { ref } }
    errors clientMutationId } }"""
UPSERT = """mutation ($input: AiInstanceFeatureSettingUpsertInput!) {
  aiInstanceFeatureSettingUpsert(input: $input) {
    aiInstanceFeatureSettings { feature provider defaultModelRef allowedModelRefs locked changed }
    errors clientMutationId } }"""
DELETE = """mutation ($input: AiInstanceFeatureSettingDeleteInput!) {
  aiInstanceFeatureSettingDelete(input: $input) {
    aiInstanceFeatureSettings { feature defaultModelRef changed } errors clientMutationId } }"""


async def _number(house: House, ref: str) -> str:
    query = "{ aiSelfHostedModels { nodes { id ref } } }"
    nodes = (await house.asker.data(query))["aiSelfHostedModels"]["nodes"]
    number: str = next(each["id"] for each in nodes if each["ref"] == ref)
    return number


async def test_a_self_hosted_model_is_assigned_to_several_features(house: House) -> None:
    wish: dict[str, Any] = {
        "features": ["CODE_SUGGESTION", "DUO_CHAT"],
        "provider": "SELF_HOSTED",
        "aiSelfHostedModelId": await _number(house, "a"),
        "clientMutationId": "mine",
    }
    done = await house.do(UPDATE, **wish)
    assert (done["errors"], done["clientMutationId"]) == ([], "mine")
    assert done["aiFeatureSettings"] == [
        {
            "feature": name,
            "provider": "self_hosted",
            "selfHostedModel": {"name": "A"},
            "gitlabModel": None,
        }
        for name in (GENERATION, CODE, CHAT)
    ]


async def test_a_model_of_the_gateway_is_assigned_and_given_up(house: House) -> None:
    wish: dict[str, Any] = {"features": ["DUO_CHAT"], "provider": "VENDORED"}
    (done,) = (await house.do(UPDATE, **wish, offeredModelRef=OLDER))["aiFeatureSettings"]
    assert (done["provider"], done["gitlabModel"]) == ("vendored", {"ref": OLDER})
    # An empty ref is how a page of the real system says "the default one".
    (back,) = (await house.do(UPDATE, **wish, offeredModelRef=""))["aiFeatureSettings"]
    assert back["gitlabModel"] == {"ref": SONNET}
    assert house.lab.feature().setting is None


@pytest.mark.parametrize("provider", ["DISABLED", "UNASSIGNED"])
async def test_a_feature_is_left_without_a_model(house: House, provider: str) -> None:
    house.lab.set(CHAT, default_ref="a", allowed=("a", SONNET))
    wish: dict[str, Any] = {"features": ["DUO_CHAT"], "provider": provider, "offeredModelRef": None}
    (done,) = (await house.do(UPDATE, **wish))["aiFeatureSettings"]
    assert (done["provider"], done["selfHostedModel"]) == (provider.lower(), None)


NUMBER = "gid://gitlab/Ai::SelfHostedModel/1"
REQUIRED = "is required: it is used where no group chooses"


@pytest.mark.parametrize(
    ("wish", "sentences"),
    [
        ({}, ["features: is required", "provider: is required"]),
        (
            {"features": ["DUO_CHAT"], "provider": "SELF_HOSTED"},
            [f"aiSelfHostedModelId: {REQUIRED}"],
        ),
        ({"features": ["DUO_CHAT"], "provider": "VENDORED"}, [f"offeredModelRef: {REQUIRED}"]),
        (
            {
                "features": ["DUO_CHAT"],
                "provider": "VENDORED",
                "offeredModelRef": SONNET,
                "aiSelfHostedModelId": NUMBER,
            },
            ["aiSelfHostedModelId: does not go with the provider VENDORED"],
        ),
        (
            {
                "features": ["DUO_CHAT"],
                "provider": "SELF_HOSTED",
                "offeredModelRef": SONNET,
            },
            [
                "offeredModelRef: does not go with the provider SELF_HOSTED",
                f"aiSelfHostedModelId: {REQUIRED}",
            ],
        ),
        (
            {"features": ["DUO_CHAT"], "provider": "DISABLED", "offeredModelRef": SONNET},
            ["offeredModelRef: does not go with the provider DISABLED"],
        ),
        (
            {
                "features": ["DUO_CHAT"],
                "provider": "VENDORED",
                "offeredModelRef": "",
                "allowedModelRefs": ["a"],
            },
            ["allowedModelRefs: leave it out where offeredModelRef is empty"],
        ),
        (
            {
                "features": ["DUO_CHAT"],
                "provider": "VENDORED",
                "offeredModelRef": SONNET,
                "namespaceId": 1,
                "feature": "DUO_CHAT",
            },
            [
                "namespaceId: belongs to aiNamespaceFeatureSettingUpdate; leave it out here",
                "feature: belongs to aiNamespaceFeatureSettingUpdate; leave it out here",
            ],
        ),
        (
            {"features": [], "provider": "VENDORED", "offeredModelRef": SONNET},
            ["features: is required"],
        ),
    ],
)
async def test_what_is_missing_or_too_much_is_named(
    house: House, wish: dict[str, Any], sentences: list[str]
) -> None:
    assert await house.refusals(UPDATE, **wish) == sentences
    assert house.lab.feature().setting is None


async def test_a_model_of_the_wrong_kind_is_refused_under_the_clients_name(house: House) -> None:
    wish: dict[str, Any] = {
        "features": ["DUO_CHAT"],
        "provider": "VENDORED",
        "offeredModelRef": "a",
    }
    (refused,) = await house.refusals(UPDATE, **wish)
    assert refused.startswith("provider: vendored needs a model that the gateway brings")
    wish = {
        "features": ["DUO_CHAT"],
        "provider": "SELF_HOSTED",
        "aiSelfHostedModelId": await _number(house, "gemma"),
    }
    (refused,) = await house.refusals(UPDATE, **wish)
    assert refused.startswith("aiSelfHostedModelId: gemma is of the family codegemma")
    unknown: dict[str, Any] = {
        **wish,
        "aiSelfHostedModelId": "gid://gitlab/Ai::SelfHostedModel/999",
    }
    assert await house.asker.code(UPDATE, input=unknown) == "not_found"


async def test_an_upsert_says_all_at_once_and_keeps_what_it_does_not_say(house: House) -> None:
    wish: dict[str, Any] = {"features": ["DUO_CHAT", "CODE_COMPLETIONS"], "clientMutationId": "7"}
    terms: dict[str, Any] = {"allowedModelRefs": [SONNET, OLDER, "a"], "locked": True}
    done = await house.do(UPSERT, **wish, defaultModelRef="a", **terms)
    assert done == {
        "aiInstanceFeatureSettings": [
            {
                "feature": name,
                "provider": "SELF_HOSTED",
                "defaultModelRef": "a",
                "allowedModelRefs": ["a", OLDER, SONNET],
                "locked": True,
                "changed": True,
            }
            for name in wish["features"]
        ],
        "errors": [],
        "clientMutationId": "7",
    }
    kept = await house.do(UPSERT, **wish, offeredModelRef=OLDER, provider="VENDORED")
    chat = kept["aiInstanceFeatureSettings"][0]
    assert (chat["defaultModelRef"], chat["locked"]) == (OLDER, True)
    assert chat["allowedModelRefs"] == ["a", OLDER, SONNET]
    freed: dict[str, Any] = {"allowedModelRefs": None, "locked": False}
    done = await house.do(UPSERT, **wish, defaultModelRef=SONNET, **freed)
    chat = done["aiInstanceFeatureSettings"][0]
    assert (chat["allowedModelRefs"], chat["locked"]) == (None, False)


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ({"features": ["DUO_CHAT"]}, "defaultModelRef: is required: it is used where no group"),
        ({"features": [], "defaultModelRef": "a"}, "features: is required"),
        (
            {"features": ["DUO_CHAT"], "defaultModelRef": "a", "offeredModelRef": "a"},
            "offeredModelRef: leave it out beside defaultModelRef",
        ),
        (
            {"features": ["DUO_CHAT"], "defaultModelRef": "a", "allowedModelRefs": [SONNET]},
            "allowedModelRefs: must have the chosen model",
        ),
        (
            {"features": ["DUO_CHAT"], "defaultModelRef": "claude-3-7-sonnet-20250219"},
            "defaultModelRef: there is no model 'claude-3-7-sonnet-20250219'; the nearest is "
            + SONNET,
        ),
        (
            {"features": ["DUO_CHAT", "CODE_COMPLETIONS"], "defaultModelRef": "gemma"},
            "defaultModelRef: gemma is of the family codegemma, which does not suit duo_chat",
        ),
    ],
)
async def test_an_upsert_that_makes_no_sense_changes_nothing(
    house: House, wish: dict[str, Any], sentence: str
) -> None:
    (refused,) = await house.refusals(UPSERT, **wish)
    assert refused.startswith(sentence)
    assert [house.lab.feature(name).setting for name in (CHAT, CODE)] == [None, None]


async def test_settings_are_forgotten(house: House) -> None:
    house.lab.set(CHAT, CODE, default_ref="a")
    done = await house.do(DELETE, features=["CODE_SUGGESTION", "DUO_CHAT"], clientMutationId="7")
    assert done == {
        "aiInstanceFeatureSettings": [
            {"feature": name.upper(), "defaultModelRef": SONNET, "changed": False}
            for name in (GENERATION, CODE, CHAT)
        ],
        "errors": [],
        "clientMutationId": "7",
    }
    assert len(await house.refusals(DELETE, features=[])) == 1


async def test_the_instance_is_changed_by_admins_alone(house: House) -> None:
    pat, told = await house.person("ada"), ("feature_setting_changed", "feature_setting_reset")
    before = house.lab.entries(*told)
    update: dict[str, Any] = {"features": ["DUO_CHAT"], "provider": "DISABLED"}
    upsert: dict[str, Any] = {"features": ["DUO_CHAT"], "defaultModelRef": "a"}
    for query, wish in ((UPDATE, update), (UPSERT, upsert), (DELETE, {"features": ["DUO_CHAT"]})):
        assert await house.asker.code(query, pat=pat, input=wish) == "admin_needed"
    assert house.lab.entries(*told) == before


async def test_the_flag_does_not_guard_the_instance(house: House) -> None:
    house.lab.switch("ai_model_switching", value=False)
    done = await house.do(UPSERT, features=["DUO_CHAT"], defaultModelRef="a")
    assert done["errors"] == []
