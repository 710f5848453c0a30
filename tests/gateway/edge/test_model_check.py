import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import msgspec
import pytest

from gateway.contract.probing import CHECK_PATH, MAX_CHECK_BYTES, STEPS, ModelChecked
from gateway.contract.ulids import is_ulid
from tests.builders import a_token
from tests.fakes.faulty_endpoint import FaultyEndpoint, a_faulty_endpoint, hanging
from tests.gateway.conftest import RunningGateway, eventually

API_KEY = "sk-canary-of-the-model"


@pytest.fixture
async def faulty() -> AsyncIterator[FaultyEndpoint]:
    async with a_faulty_endpoint() as endpoint:
        yield endpoint


async def ask(gateway: RunningGateway, body: Any, **claims: Any) -> httpx.Response:
    headers = {"Authorization": f"Bearer {a_token(**{'use': 'instance', **claims})}"}
    return await gateway.http.post(CHECK_PATH, json=body, headers=headers)


def a_check(faulty: FaultyEndpoint, **changes: Any) -> dict[str, Any]:
    return {"endpoint": faulty.url, "identifier": "demo", **changes}


async def test_the_instance_has_an_endpoint_tried(
    gateway: RunningGateway, faulty: FaultyEndpoint
) -> None:
    faulty.api_key = API_KEY
    answer = await ask(gateway, a_check(faulty, api_key=API_KEY, something_newer=1))
    found = msgspec.json.decode(answer.content, type=ModelChecked).findings
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert [(each.name, each.success) for each in found] == [(step, True) for step in STEPS]
    assert gateway.counted("egress_refused_total", reason="host") == 0


async def test_a_name_that_is_in_no_feed_is_resolved_for_the_check_alone(
    gateway: RunningGateway, faulty: FaultyEndpoint
) -> None:
    named = faulty.url.replace("127.0.0.1", "localhost")
    answer = await ask(gateway, a_check(faulty, endpoint=named))
    assert answer.json()["findings"][-1]["success"], answer.text


@pytest.mark.parametrize("use", ["direct", "forwarded"])
async def test_no_user_has_an_endpoint_tried(
    gateway: RunningGateway, faulty: FaultyEndpoint, use: str
) -> None:
    answer = await ask(gateway, a_check(faulty), use=use)
    assert (answer.status_code, answer.json()["code"]) == (403, "instance_only")
    assert is_ulid(answer.json()["decision_id"])
    assert not faulty.asked


async def test_nobody_has_one_tried_without_a_token(
    gateway: RunningGateway, faulty: FaultyEndpoint
) -> None:
    answer = await gateway.http.post(CHECK_PATH, json=a_check(faulty))
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        {"endpoint": 5, "identifier": "demo"},
        {"endpoint": "http://127.0.0.1/v1"},
        {"endpoint": "http://127.0.0.1/v1", "identifier": "demo", "api_key": f"{API_KEY}\r\nX: y"},
        {"endpoint": "http://127.0.0.1/v1", "identifier": "demo", "api_key": f"é{API_KEY}"},
        {"endpoint": "http://127.0.0.1/v1", "identifier": "demo", "api_key": [API_KEY]},
    ],
)
async def test_what_cannot_be_tried_is_refused_and_not_repeated(
    gateway: RunningGateway, body: object, capsys: pytest.CaptureFixture[str]
) -> None:
    answer = await ask(gateway, body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")
    assert "canary" not in answer.text + capsys.readouterr().out


async def test_another_kind_of_body_is_refused(gateway: RunningGateway) -> None:
    headers = {"Authorization": f"Bearer {a_token(use='instance')}", "content-type": "text/plain"}
    answer = await gateway.http.post(CHECK_PATH, content=b"{}", headers=headers)
    assert answer.status_code == 415
    headers["content-type"] = "application/json"
    content = b" " * (MAX_CHECK_BYTES + 1)
    answer = await gateway.http.post(CHECK_PATH, content=content, headers=headers)
    assert answer.status_code == 413


async def test_the_key_is_in_no_log(
    gateway: RunningGateway, faulty: FaultyEndpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    faulty.api_key = "another"
    answer = await ask(gateway, a_check(faulty, api_key=API_KEY))
    assert answer.json()["findings"][-1]["code"] == "api_key_refused"
    assert faulty.keys[-1] == f"Bearer {API_KEY}"
    logged = capsys.readouterr().out
    assert "model_checked" in logged
    assert "canary" not in logged + answer.text


async def test_who_gives_up_ends_the_check(gateway: RunningGateway, faulty: FaultyEndpoint) -> None:
    faulty.instead["/v1/models"] = hanging
    asking = asyncio.create_task(ask(gateway, a_check(faulty)))
    await eventually(lambda: faulty.asked)
    asking.cancel()
    await eventually(lambda: gateway.counted("requests_in_flight") == 0)


async def test_a_model_may_be_called_as_the_check_is(gateway: RunningGateway) -> None:
    headers = {"Authorization": f"Bearer {a_token()}"}
    answer = await gateway.http.get(CHECK_PATH, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")
