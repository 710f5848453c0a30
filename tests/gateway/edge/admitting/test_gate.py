import pytest
from structlog.testing import capture_logs

from gateway.contract.feed import SwitchedOff
from gateway.contract.ulids import is_ulid
from tests.builders import a_token
from tests.fakes.instance import FakeInstance
from tests.gateway.conftest import RunningGateway, eventually


async def test_a_refusal_says_by_title_what_to_do_and_where_to_ask(
    gateway: RunningGateway,
) -> None:
    error = (await gateway.chat(a_token(scopes=[]))).json()["error"]
    assert "General Chat ('duo_chat')" in error["message"]
    assert "administrator" in error["message"]
    assert is_ulid(error["decision_id"])
    provider = (await gateway.chat(a_token(providers=[]))).json()["error"]
    assert "Self-hosted models ('shm')" in provider["message"]
    assert provider["decision_id"] != error["decision_id"]


async def test_a_feature_that_is_switched_off_is_refused_until_it_is_on_again(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    token = a_token()
    off = SwitchedOff(flag="chat_for_all", unit_primitives=("duo_chat",))
    assert (await gateway.chat(token)).status_code == 200
    instance.tell(switched_off=(off,))
    await gateway.catch_up(instance)
    refused = await gateway.chat(token)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "feature_not_granted")
    instance.tell(switched_off=())
    await gateway.catch_up(instance)
    assert (await gateway.chat(token)).status_code == 200


async def test_only_a_403_has_a_decision(gateway: RunningGateway) -> None:
    refused = [await gateway.chat("garbage"), await gateway.chat(model="gpt-9")]
    assert [answer.status_code for answer in refused] == [401, 404]
    assert all("decision_id" not in answer.json()["error"] for answer in refused)


async def test_the_log_line_of_a_refusal_has_its_decision(gateway: RunningGateway) -> None:
    with capture_logs() as lines:
        answer = await gateway.chat(a_token(scopes=[]))
    (line,) = [line for line in lines if line["event"] == "request_refused"]
    assert line["decision_id"] == answer.json()["error"]["decision_id"]


async def test_the_instance_hears_of_a_refusal_once(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    token = a_token(scopes=[], ns=7, root_ns=5)
    shown = {(await gateway.chat(token)).json()["error"]["decision_id"] for _ in range(3)}
    await gateway.chat(a_token(providers=[]))
    await eventually(lambda: len(instance.decisions) == 2)
    first, second = instance.decisions
    assert shown == {first.decision_id}
    assert (first.code, first.subject, first.namespace_id) == ("feature_not_granted", "user-1", 7)
    assert (second.provider, second.model, second.unit_primitive) == ("shm", "demo", "duo_chat")


async def test_a_refusal_names_no_model_that_there_is_none_of(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    await gateway.chat(a_token(scopes=[]), model="x" * 10_000)
    await eventually(lambda: instance.decisions)
    assert instance.decisions[0].model is None


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/demo"])
async def test_a_list_for_a_group_of_another_token_is_refused(
    gateway: RunningGateway, path: str
) -> None:
    token = a_token(ns=7, root_ns=5)
    own = {"Authorization": f"Bearer {token}", "X-Gitlab-Namespace-Id": "7"}
    other = {"Authorization": f"Bearer {token}", "X-Gitlab-Namespace-Id": "8"}
    assert (await gateway.http.get(path, headers=own)).status_code == 200
    refused = await gateway.http.get(path, headers=other)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "namespace_not_granted")
