"""What becomes of a prompt's answer when the model, the client or the instance will not have it."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import httpx
import pytest

from gateway.__main__ import CUT_SHORT
from gateway.contract.feed import MinimumGeneration
from gateway.settings import Settings
from tests.builders import a_feed_model, a_token
from tests.fakes.instance import FakeInstance
from tests.fakes.model_endpoint import FakeModelEndpoint
from tests.gateway.conftest import RunningGateway, a_gateway, eventually

ROUTE = "/v2/prompts/{id}"
PATH = "/v2/prompts/chat/explain_code"
CODE = "\n".join(f"line_{number} = {number}" for number in range(400))
LABELS = {"feature": "duo_chat_explain_code", "provider": "shm", "model": "demo"}


def request(**body: Any) -> dict[str, Any]:
    metadata = {"provider": "gitlab", "identifier": "demo"}
    return {"inputs": {"selected_code": CODE}, "model_metadata": metadata, **body}


def headers(**claims: Any) -> dict[str, str]:
    return {"Authorization": f"Bearer {a_token(scopes=['explain_code'], **claims)}"}


async def ask(gateway: RunningGateway, *, path: str = PATH, **body: Any) -> httpx.Response:
    return await gateway.http.post(path, json=request(**body), headers=headers())


@asynccontextmanager
async def a_stream(gateway: RunningGateway, **claims: Any) -> AsyncIterator[httpx.Response]:
    """An answer under way, after its first line."""
    body = request(stream=True)
    async with gateway.http.stream("POST", PATH, json=body, headers=headers(**claims)) as answer:
        assert answer.status_code == 200
        yield answer


async def told(answer: httpx.Response) -> tuple[list[dict[str, Any]], bool]:
    """The lines of an answer, and whether it was cut."""
    text, is_cut = "", False
    try:
        async for part in answer.aiter_text():
            text += part
    except httpx.RemoteProtocolError:
        is_cut = True
    return [json.loads(line) for line in text.splitlines()], is_cut


def counted(gateway: RunningGateway, status: int) -> float:
    return gateway.counted("requests_total", route=ROUTE, status=str(status), **LABELS)


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("upstream", "status", "code", "detail"),
    [
        (400, 421, "model_fault", "400: Bad Request"),
        (422, 421, "model_fault", "422: Unprocessable Entity"),
        (500, 421, "model_fault", "500: Internal Server Error"),
        (401, 421, "model_fault", "401: Unauthorized"),
        (404, 421, "model_fault", "404: Not Found"),
        (599, 421, "model_fault", "599: Unknown"),
        (503, 503, "model_unavailable", None),
        (429, 429, "model_busy", None),
    ],
)
async def test_a_models_error_is_told_from_the_gateways_own(
    gateway: RunningGateway,
    endpoint: FakeModelEndpoint,
    stream: bool,
    upstream: int,
    status: int,
    code: str,
    detail: str | None,
) -> None:
    endpoint.status = upstream
    answer = await ask(gateway, stream=stream)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    assert detail is None or answer.json()["detail"] == detail
    assert counted(gateway, status) == 1


async def test_a_model_that_is_down_is_unavailable(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    await endpoint.stop()
    answer = await ask(gateway)
    assert (answer.status_code, answer.json()["code"]) == (503, "model_unavailable")
    assert int(answer.headers["retry-after"]) > 0


TOO_LONG = "This model's maximum context length is 1500 tokens. However, you requested more."


async def test_a_model_that_finds_it_too_long_is_asked_for_less(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, instance: FakeInstance
) -> None:
    endpoint.refusals = [(400, TOO_LONG), (400, "maximum context length")]
    answer = await ask(gateway)
    assert answer.json()["content"] == "one two three"
    first, second, third = [len(each) for each in endpoint.bodies]
    assert first > second > third
    name, _, counts = answer.headers["x-casemate-cut"].partition("=")
    kept, whole = (int(each) for each in counts.split("/"))
    assert (name, whole) == ("selected_code", len(CODE))
    assert 0 < kept < whole
    await eventually(lambda: instance.events)
    assert [event.outcome for event in instance.events if event.outcome != "interrupted"] == [
        "answered"
    ]


async def test_a_model_that_finds_everything_too_long_gets_no_more_than_two_shorter_ones(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.refusals = [(400, "the prompt is too long")] * 5
    answer = await ask(gateway)
    assert (answer.status_code, answer.json()["code"]) == (400, "prompt_too_long")
    assert len(endpoint.requests) == 3


async def test_a_model_that_takes_next_to_nothing_is_not_asked(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.listed = {"max_model_len": 40}
    probes = endpoint.probes
    await eventually(lambda: endpoint.probes > probes + 1)
    answer = await ask(gateway)
    assert (answer.status_code, answer.json()["code"]) == (400, "prompt_too_long")
    assert not endpoint.requests


async def test_what_an_endpoint_says_of_its_window_is_cut_to(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    assert "x-casemate-cut" not in (await ask(gateway)).headers
    endpoint.listed = {"owned_by": "vllm", "max_model_len": 2048}
    probes = endpoint.probes
    await eventually(lambda: endpoint.probes > probes + 1)
    answer = await ask(gateway, stream=True)
    assert answer.headers["x-casemate-cut"].startswith("selected_code=")
    assert endpoint.requests[1]["cache_salt"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/v1/prompts/chat/explain_code", ""), (PATH, {"content": "", "usage": {}})],
)
async def test_a_model_that_says_nothing_answers_nothing(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, path: str, expected: object
) -> None:
    endpoint.raw = b"data: [DONE]\n\n"
    answer = await ask(gateway, path=path)
    assert (answer.status_code, answer.json()) == (200, expected)
    streamed = await ask(gateway, path=path, stream=True)
    assert streamed.status_code == 200


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    "raw",
    [
        b"data: what?\n\n",
        b'data: {"error": {"message": "out of memory"}}\n\ndata: [DONE]\n\n',
        b"data: " + b"x" * (2 * 1024 * 1024),
    ],
    ids=["garbage", "error", "endless"],
)
async def test_what_is_no_answer_is_the_models_fault(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, raw: bytes, stream: bool
) -> None:
    endpoint.raw = raw
    answer = await ask(gateway, stream=stream)
    assert (answer.status_code, answer.json()["code"]) == (421, "model_fault")
    assert endpoint.running == 0


async def test_an_answer_without_its_end_is_none(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.raw = b'data: {"choices": [{"delta": {"content": "Half of"}}]}\n\n'
    whole = await ask(gateway)
    assert (whole.status_code, whole.json()["code"]) == (503, "model_unavailable")
    async with a_stream(gateway) as answer:
        assert await told(answer) == ([{"content": "Half of"}], True)


async def test_a_model_that_dies_midway_leaves_the_client_without_the_last_line(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.break_after, endpoint.pace_s = 2, 0.05
    async with a_stream(gateway) as answer:
        lines, is_cut = await told(answer)
    assert is_cut
    assert [line["content"] for line in lines] == ["one", " two"]
    assert counted(gateway, 503) == 1


async def test_what_the_server_says_of_a_cut_answer_is_what_the_log_leaves_out(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, caplog: pytest.LogCaptureFixture
) -> None:
    endpoint.break_after, endpoint.pace_s = 1, 0.05
    async with a_stream(gateway) as answer:
        await told(answer)
    said = [each.msg for each in caplog.records if each.name == "uvicorn.error"]
    assert CUT_SHORT in said


async def test_what_a_model_thinks_aloud_is_not_told(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.words = ["<thi", "nk>secret", "</think>", "\n\nThe answer", "."]
    assert (await ask(gateway)).json()["content"] == "The answer."
    streamed = await ask(gateway, stream=True)
    assert "secret" not in streamed.text


async def test_an_engine_that_does_not_stream_is_understood(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.ignores_stream = True
    assert (await ask(gateway)).json()["content"] == "one two three"
    streamed = await ask(gateway, stream=True)
    assert [json.loads(line)["content"] for line in streamed.text.splitlines()] == [
        "one two three",
        "",
    ]


async def test_a_client_that_leaves_frees_the_model_at_once(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, instance: FakeInstance
) -> None:
    endpoint.waits = True
    async with a_stream(gateway) as answer:
        await anext(answer.aiter_bytes())
        assert endpoint.running == 1
    await eventually(lambda: endpoint.running == 0, within_s=1)
    await eventually(lambda: counted(gateway, 499))
    asking = asyncio.create_task(ask(gateway))
    await eventually(lambda: endpoint.running == 1)
    asking.cancel()
    await eventually(lambda: endpoint.running == 0, within_s=1)
    await eventually(lambda: sum(e.outcome == "aborted" for e in instance.events) == 2)


async def test_the_answer_to_someone_who_is_blocked_ends_at_once(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, instance: FakeInstance
) -> None:
    endpoint.waits = True
    blocked = MinimumGeneration(subject="user-1", generation=5, until=2**40, ends_streams=True)
    async with a_stream(gateway, gen=4) as answer:
        await eventually(lambda: endpoint.running == 1)
        instance.revoke(generations=(blocked,))
        lines, is_cut = await told(answer)
    assert is_cut
    assert all(line["content"] for line in lines)
    await eventually(lambda: endpoint.running == 0, within_s=1)
    await eventually(lambda: any(e.outcome == "superseded" for e in instance.events))


async def test_an_answer_that_never_ends_is_ended(
    settings: Settings, endpoint: FakeModelEndpoint
) -> None:
    endpoint.waits = True
    limited = settings.model_copy(update={"longest_answer": timedelta(seconds=0.3)})
    async with a_gateway(limited) as gateway:
        whole = await ask(gateway)
        assert (whole.status_code, whole.json()["code"]) == (503, "model_unavailable")
        async with a_stream(gateway) as answer:
            lines, is_cut = await told(answer)
        assert (len(lines), is_cut) == (3, True)
    assert endpoint.running == 0


async def test_a_model_with_its_hands_full_is_busy(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, instance: FakeInstance
) -> None:
    instance.serve(a_feed_model(endpoint=endpoint.url, max_in_flight=1))
    await gateway.catch_up(instance)
    endpoint.waits = True
    async with a_stream(gateway):
        await eventually(lambda: endpoint.running == 1)
        answer = await ask(gateway)
        assert (answer.status_code, answer.json()["code"]) == (429, "model_busy")


async def test_a_client_that_has_the_last_line_need_not_wait_for_the_engine(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.lingers = True
    async with a_stream(gateway) as answer:
        async for line in answer.aiter_lines():
            if "usage" in line:
                break
    await eventually(lambda: counted(gateway, 200))


@pytest.mark.parametrize("stream", [False, True])
async def test_an_answer_is_counted_once(
    gateway: RunningGateway, instance: FakeInstance, stream: bool
) -> None:
    await ask(gateway, stream=stream)
    await eventually(lambda: [e for e in instance.events if e.outcome == "answered"])
    (event,) = [each for each in instance.events if each.outcome != "interrupted"]
    assert (event.feature, event.unit_primitive) == ("duo_chat_explain_code", "explain_code")
    assert (event.prompt_tokens, event.completion_tokens, event.status) == (7, 3, 200)
    assert event.first_token_ms is not None
    assert gateway.counted("tokens_total", kind="prompt", **LABELS) == 7
    assert counted(gateway, 200) == 1


async def test_a_slow_reader_gets_every_word(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.words = [f"word{index} " + "x" * 2000 for index in range(300)]
    text = ""
    async with a_stream(gateway) as answer:
        async for part in answer.aiter_text(4096):
            text += part
    lines = [json.loads(line) for line in text.splitlines()]
    assert "".join(line["content"] for line in lines) == "".join(endpoint.words)
    assert "usage" in lines[-1]
