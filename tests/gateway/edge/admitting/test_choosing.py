"""The model that a call gets, asked over HTTP as a client does."""

from typing import Any

import msgspec
import pytest

from gateway.contract.catalog import load_catalog
from gateway.contract.claims import Claims
from gateway.contract.feed import SELECTIONS, SwitchedOff
from gateway.contract.selection import SWITCHING_FLAG, Choice, Feature, Group
from gateway.edge.admitting.choosing import Chooser
from gateway.errors import InvalidRequestError, ModelNotFoundError
from gateway.issuer.feed.groups import Groups
from gateway.policy.selections import Selections
from gateway.upstream.egress import EgressGuard
from gateway.upstream.endpoints import Endpoints
from tests.builders import a_feed_model, a_known_model, a_token, some_claims
from tests.fakes.instance import FakeInstance
from tests.fakes.model_endpoint import FakeModelEndpoint
from tests.gateway.conftest import RunningGateway, eventually

ALL = frozenset({"small", "large", "gone", "theirs"})
CHAT = Feature(name="duo_chat", default="small", selectable=ALL)
CODE = Feature(name="code_completions", default="large", selectable=frozenset({"large"}))
TREE = (
    Group(5),
    Group(6, 5, (Choice("duo_chat", "large", narrowed_to=frozenset({"large", "small"})),)),
    Group(7, 6),
    Group(8, 7, (Choice("duo_chat", "small", is_locked=True),)),
)


def in_group(ns: int | None = None, **claims: Any) -> str:
    return a_token(**{"ns": ns, "root_ns": ns and 5, "flags": [SWITCHING_FLAG], **claims})


async def feed(instance: FakeInstance, gateway: RunningGateway, *features: Feature) -> None:
    instance.tell(features=features or (CHAT, CODE), groups=TREE, requires=(SELECTIONS,))
    await gateway.catch_up(instance)


@pytest.fixture
async def choosing(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> RunningGateway:
    """A gateway with three models of which `theirs` is of a provider that few are entitled to."""
    models = [("small", "shm"), ("large", "shm"), ("other", "shm"), ("theirs", "amazonq")]
    instance.serve(
        *(
            a_feed_model(endpoint=endpoint.url, ref=ref, provider=provider, identifier=f"org/{ref}")
            for ref, provider in models
        )
    )
    await feed(instance, gateway)
    return gateway


async def refusal(gateway: RunningGateway, token: str, **members: Any) -> tuple[int, str, str]:
    answer = await gateway.chat(token, **members)
    error = answer.json()["error"]
    return answer.status_code, error["code"], error["message"]


@pytest.mark.parametrize(
    ("ns", "named", "asked"),
    [
        (None, "", "small"),
        (7, "", "large"),
        (7, "default", "large"),
        (7, "small", "small"),
        (8, "default", "small"),
    ],
)
async def test_a_request_gets_the_model_of_its_group_or_the_one_it_names(
    choosing: RunningGateway, endpoint: FakeModelEndpoint, *, ns: int | None, named: str, asked: str
) -> None:
    assert (await choosing.chat(in_group(ns), model=named)).status_code == 200
    assert endpoint.requests[-1]["model"] == f"org/{asked}"


async def test_a_request_need_not_have_a_model(
    choosing: RunningGateway, endpoint: FakeModelEndpoint, instance: FakeInstance
) -> None:
    headers = {"Authorization": f"Bearer {in_group(7)}"}
    chat = {"messages": [{"role": "user", "content": "Hi"}]}
    assert (
        await choosing.http.post("/v1/chat/completions", json=chat, headers=headers)
    ).status_code == 200
    code = {"prompt": "Hi"}
    assert (
        await choosing.http.post("/v1/completions", json=code, headers=headers)
    ).status_code == 200
    assert [each["model"] for each in endpoint.requests] == ["org/large", "org/large"]
    await eventually(lambda: len(instance.events) == 2)
    assert {(each.feature, each.model) for each in instance.events} == {
        ("duo_chat", "large"),
        ("code_completions", "large"),
    }


async def test_the_flag_and_not_the_group_decides_where_it_is_off(
    choosing: RunningGateway, endpoint: FakeModelEndpoint, instance: FakeInstance
) -> None:
    await choosing.chat(in_group(7, flags=[]), model="default")
    instance.tell(switched_off=(SwitchedOff(flag=SWITCHING_FLAG),))
    await choosing.catch_up(instance)
    await choosing.chat(in_group(7), model="default")
    assert [each["model"] for each in endpoint.requests] == ["org/small", "org/small"]
    status, code, message = await refusal(choosing, in_group(7), model="large")
    assert (status, code) == (403, "model_not_selectable")
    assert "the feature flag 'ai_model_switching' is off" in message


@pytest.mark.parametrize(
    ("ns", "named", "said", "instead"),
    [
        (
            None,
            "other",
            "the instance does not offer it for that. An administrator",
            "'large', 'small'",
        ),
        (7, "theirs", "group 6 leaves only others. An owner of group 6", "'large', 'small'"),
        (8, "large", "group 8 has locked its choice. An owner of group 8", "'small'"),
    ],
)
async def test_a_model_that_is_not_selectable_is_refused_with_the_level_that_decides(
    choosing: RunningGateway,
    instance: FakeInstance,
    *,
    ns: int | None,
    named: str,
    said: str,
    instead: str,
) -> None:
    status, code, message = await refusal(choosing, in_group(ns), model=named)
    assert (status, code) == (403, "model_not_selectable")
    start = f"The model '{named}' may not be used for General Chat ('duo_chat'): "
    assert message == f"{start}{said} can change that. You may name {instead}."
    await eventually(lambda: instance.decisions)
    decision = instance.decisions[0]
    assert (decision.code, decision.model, decision.namespace_id) == (code, named, ns)


async def test_what_a_refusal_lists_is_what_the_token_may_use(choosing: RunningGateway) -> None:
    _, _, message = await refusal(choosing, in_group(providers=["amazonq"]), model="other")
    assert message.endswith("You may name 'theirs'.")


async def test_the_scope_is_asked_first_and_the_provider_last(choosing: RunningGateway) -> None:
    asked = [
        (in_group(8, scopes=[]), "nothing", "feature_not_granted"),
        (in_group(8), "nothing", "model_not_found"),
        (in_group(8, providers=[]), "large", "model_not_selectable"),
        (in_group(8, providers=[]), "small", "provider_not_entitled"),
    ]
    for token, named, code in asked:
        assert (await refusal(choosing, token, model=named))[1] == code


async def test_a_disabled_feature_is_refused_whatever_is_named(
    choosing: RunningGateway, instance: FakeInstance
) -> None:
    await feed(instance, choosing, Feature(name="duo_chat", is_disabled=True))
    for named in ("", "small", "nothing"):
        status, code, message = await refusal(choosing, in_group(7), model=named)
        assert (status, code) == (403, "feature_disabled")
        assert message.startswith("General Chat ('duo_chat') is disabled on this instance")


async def test_a_feature_with_nothing_assigned_is_never_sent_elsewhere(
    choosing: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    await feed(instance, choosing, Feature(name="duo_chat", selectable=frozenset({"large"})))
    status, code, message = await refusal(choosing, in_group(), model="default")
    assert (status, code) == (403, "feature_not_assigned")
    assert "No model is assigned to General Chat ('duo_chat')" in message
    assert message.endswith("You may name 'large'.")
    assert not endpoint.requests
    assert (await choosing.chat(in_group(), model="large")).status_code == 200
    await feed(instance, choosing, Feature(name="duo_chat"))
    assert (await refusal(choosing, in_group(), model="large"))[1] == "feature_not_assigned"


async def test_a_default_that_this_gateway_does_not_serve_is_said_to_be(
    choosing: RunningGateway, instance: FakeInstance
) -> None:
    await feed(instance, choosing, Feature(name="duo_chat", default="gone", selectable=ALL))
    status, code, message = await refusal(choosing, in_group(), model="")
    assert (status, code) == (404, "model_not_found")
    assert "'gone', which General Chat ('duo_chat') uses here, is not served" in message


async def test_a_group_that_the_feed_has_not_brought_yet_is_worth_another_try(
    choosing: RunningGateway, instance: FakeInstance
) -> None:
    answer = await choosing.chat(in_group(99), model="small")
    assert (answer.status_code, answer.json()["error"]["code"]) == (
        503,
        "configuration_unavailable",
    )
    assert int(answer.headers["retry-after"]) > 0
    instance.change(groups=(Group(99, 6),))
    await choosing.catch_up(instance)
    assert (await choosing.chat(in_group(99), model="small")).status_code == 200


async def test_an_action_of_no_feature_must_name_a_model_and_may_name_any(
    choosing: RunningGateway,
) -> None:
    action = "generate_embeddings_codebase"
    headers = {
        "Authorization": f"Bearer {in_group(8, scopes=[action])}",
        "X-Gitlab-Unit-Primitive": action,
    }
    body = {"messages": [{"role": "user", "content": "Hi"}]}
    path = "/v1/chat/completions"
    named = await choosing.http.post(path, json={**body, "model": "other"}, headers=headers)
    unnamed = await choosing.http.post(path, json=body, headers=headers)
    assert named.status_code == 200
    error = unnamed.json()["error"]
    assert (unnamed.status_code, error["code"], error["param"]) == (400, "invalid_request", "model")


async def listed(gateway: RunningGateway, token: str) -> dict[str, list[str] | None]:
    answer = await gateway.http.get("/v1/models", headers={"Authorization": f"Bearer {token}"})
    return {each["id"]: each.get("features") for each in answer.json()["data"]}


async def test_the_list_shows_what_may_be_named_and_for_what(choosing: RunningGateway) -> None:
    both, code = ["duo_chat", "code_completions"], ["code_completions"]
    assert await listed(choosing, in_group()) == {"small": ["duo_chat"], "large": both[::-1]}
    assert await listed(choosing, in_group(8)) == {"small": ["duo_chat"], "large": code}
    assert await listed(choosing, in_group(8, scopes=["duo_chat"])) == {"small": ["duo_chat"]}
    assert await listed(choosing, in_group(providers=["amazonq"])) == {"theirs": ["duo_chat"]}
    assert await listed(choosing, in_group(scopes=[])) == {}


@pytest.mark.parametrize(("ref", "status"), [("small", 200), ("large", 404), ("other", 404)])
async def test_one_model_is_shown_where_the_list_has_it(
    choosing: RunningGateway, ref: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {in_group(8, scopes=['duo_chat'])}"}
    answer = await choosing.http.get(f"/v1/models/{ref}", headers=headers)
    assert answer.status_code == status
    if status == 200:
        assert answer.json()["features"] == ["duo_chat"]


@pytest.mark.parametrize(("named", "status"), [("6", 200), ("8", 403), ("9", 403)])
async def test_a_header_may_name_any_group_above_the_tokens(
    choosing: RunningGateway, named: str, status: int
) -> None:
    headers = {"Authorization": f"Bearer {in_group(7)}", "X-Gitlab-Namespace-Id": named}
    assert (await choosing.http.get("/v1/models", headers=headers)).status_code == status


async def test_what_is_known_of_choices_is_counted(choosing: RunningGateway) -> None:
    assert (choosing.counted("feed_features"), choosing.counted("feed_groups")) == (2, 4)
    await eventually(lambda: choosing.counted("feed_kept_bytes") > 0)


def test_tokens_of_another_issuer_see_the_gateways_own_models_and_no_choices() -> None:
    endpoints = Endpoints(EgressGuard((), on_refused=lambda _: None), always_allowed=())
    endpoints.replace((a_known_model("http://127.0.0.1:1/v1", ref="small"),))
    endpoints.bring((a_known_model("http://127.0.0.1:1/v1", ref="own"),))
    selections = Selections()
    selections.replace((CHAT,), Groups(TREE))
    chooser = Chooser(endpoints, selections, catalog=load_catalog(), is_of_instance=lambda _: False)
    claims = msgspec.convert(some_claims(ns=7), Claims)
    assert chooser.choose(claims, "duo_chat", "own").ref == "own"
    assert [(each.ref, features) for each, features in chooser.offered(claims)] == [("own", None)]
    assert not list(chooser.offered(claims, ref="small"))
    assert chooser.ancestry_of(claims) == ()
    with pytest.raises(ModelNotFoundError):
        chooser.choose(claims, "duo_chat", "small")
    with pytest.raises(InvalidRequestError):
        chooser.choose(claims, "duo_chat", "")
