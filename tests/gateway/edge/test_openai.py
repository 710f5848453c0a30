import asyncio
import json
from datetime import timedelta

import httpx
import pytest

from gateway.settings import Settings
from tests.builders import a_feed_model, a_token
from tests.fakes.instance import FakeInstance
from tests.fakes.model_endpoint import USAGE, FakeModelEndpoint
from tests.gateway.conftest import RunningGateway, a_gateway, eventually

CHAT = "/v1/chat/completions"
ASK = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}


def headers(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


async def test_a_whole_answer_passes_untouched(gateway: RunningGateway) -> None:
    answer = await gateway.chat()
    assert answer.status_code == 200
    assert answer.json()["choices"][0]["message"]["content"] == "one two three"
    assert answer.json()["usage"] == USAGE
    assert answer.headers["x-request-id"]


async def test_completions_are_served_as_well(gateway: RunningGateway) -> None:
    answer = await gateway.http.post(
        "/v1/completions", json={"model": "demo", "prompt": "Hi"}, headers=headers(a_token())
    )
    assert answer.json()["choices"][0]["text"] == "one two three"


async def test_fields_the_gateway_does_not_know_reach_the_model(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    await gateway.chat(guided_choice=["a", "b"], temperature=0.25)
    assert endpoint.requests[0]["guided_choice"] == ["a", "b"]
    assert b'"temperature":0.25' in endpoint.bodies[0]


@pytest.mark.parametrize("stream", [False, True])
async def test_tenants_of_one_engine_share_no_cache(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, stream: bool
) -> None:
    endpoint.listed = {"owned_by": "vllm"}
    probes = endpoint.probes
    await eventually(lambda: endpoint.probes > probes + 1)
    for root_ns in (5, 5, 6):
        token = a_token(ns=root_ns, root_ns=root_ns)
        await gateway.chat(token, stream=stream, cache_salt="mine")
    first, again, other = [asked["cache_salt"] for asked in endpoint.requests]
    assert first == again != other
    assert "mine" not in {first, other}


async def test_an_engine_that_may_refuse_the_members_of_others_gets_none(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    await gateway.chat(cache_salt="mine")
    assert "cache_salt" not in endpoint.requests[0]


async def test_the_model_is_asked_by_its_identifier(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, instance: FakeInstance
) -> None:
    instance.serve(a_feed_model(endpoint=endpoint.url, identifier="org/Demo-7B"))
    await gateway.catch_up(instance)
    await gateway.chat()
    assert endpoint.requests[0]["model"] == "org/Demo-7B"


async def test_a_stream_without_usage_asked_for_shows_none_but_counts_it(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    answer = await gateway.chat(stream=True)
    events = answer.text.split("\n\n")
    assert events[-2:] == ["data: [DONE]", ""]
    assert "usage" not in answer.text
    assert len(events) == 5
    assert endpoint.requests[0]["stream_options"] == {"include_usage": True}
    labels = {"feature": "duo_chat", "provider": "shm", "model": "demo"}
    await eventually(lambda: gateway.counted("tokens_total", kind="completion", **labels) == 3)


async def test_a_stream_with_usage_asked_for_passes_byte_for_byte(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    answer = await gateway.chat(stream=True, stream_options={"include_usage": True})
    assert answer.content == endpoint.sent
    assert json.loads(answer.text.split("\n\n")[-3].removeprefix("data: "))["usage"] == USAGE


async def test_a_client_that_leaves_a_stream_cancels_the_model(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.waits = True
    body = {**ASK, "stream": True}
    async with gateway.http.stream("POST", CHAT, json=body, headers=headers(a_token())) as answer:
        await anext(answer.aiter_bytes())
        assert endpoint.running == 1
    await eventually(lambda: endpoint.running == 0, within_s=1)
    await eventually(
        lambda: gateway.counted(
            "requests_total",
            route=CHAT,
            status="499",
            feature="duo_chat",
            provider="shm",
            model="demo",
        )
    )


async def test_a_client_that_leaves_after_the_last_event_was_answered(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.lingers = True
    body = {**ASK, "stream": True}
    async with gateway.http.stream("POST", CHAT, json=body, headers=headers(a_token())) as answer:
        async for line in answer.aiter_lines():
            if line == "data: [DONE]":
                break
    named = {"route": CHAT, "feature": "duo_chat", "provider": "shm", "model": "demo"}
    await eventually(lambda: gateway.counted("requests_total", status="200", **named))


async def test_a_client_that_leaves_before_the_answer_cancels_the_model(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.waits = True
    asking = asyncio.create_task(gateway.chat())
    await eventually(lambda: endpoint.running == 1)
    asking.cancel()
    await eventually(lambda: endpoint.running == 0, within_s=1)
    assert gateway.counted("requests_in_flight") == 0


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b"not json", None),
        (b"[]", None),
        (b'{"model": "demo"', None),
        (b'{"messages": []}', "model"),
        (b'{"model": 5, "messages": []}', "model"),
        (b'{"model": null, "messages": []}', "model"),
        (b'{"model": "demo"}', "messages"),
        (b'{"model": "demo", "messages": "hi"}', "messages"),
        (b'{"model": "demo", "messages": {}}', "messages"),
        (b'{"model": "demo", "messages": [5]}', "messages"),
        (b'{"model": "demo", "messages": [{"role": 5}]}', "messages"),
        (b'{"model": "demo", "messages": [{"role": "user", "content": {}}]}', "messages"),
        (b'{"model": "demo", "messages": [{"role": "user", "content": 5}]}', "messages"),
        (b'{"model": "demo", "messages": [{"role": "user", "content": "\xff"}]}', None),
        (b'{"model": "demo", "messages": [], "stream": "yes"}', "stream"),
        (
            b'{"model": "demo", "messages": [], "stream": true, "stream_options": 1}',
            "stream_options",
        ),
        (b'{"model": "\xff", "messages": []}', None),
        (b'{"a":' + b"[" * 20_000 + b"]" * 20_000 + b"}", None),
    ],
)
async def test_a_malformed_body_is_refused_in_openais_form(
    gateway: RunningGateway, body: bytes, param: str | None
) -> None:
    answer = await gateway.http.post(CHAT, content=body, headers=headers(a_token()))
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["code"], error["type"]) == ("invalid_request", "invalid_request_error")
    assert error["param"] == param


async def test_another_media_type_is_refused(gateway: RunningGateway) -> None:
    answer = await gateway.http.post(
        CHAT, content=b"{}", headers={**headers(a_token()), "Content-Type": "text/plain"}
    )
    assert (answer.status_code, answer.json()["error"]["code"]) == (415, "unsupported_media_type")


async def test_a_body_over_the_limit_is_refused_declared_or_not(gateway: RunningGateway) -> None:
    async def chunks() -> object:
        for _ in range(20):
            yield b" " * 8192

    declared = await gateway.http.post(CHAT, content=b" " * 70_000, headers=headers(a_token()))
    undeclared = await gateway.http.post(CHAT, content=chunks(), headers=headers(a_token()))  # type: ignore[arg-type]  # an async generator is a stream
    for answer in (declared, undeclared):
        assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


async def test_an_unknown_model_is_not_found(gateway: RunningGateway) -> None:
    answer = await gateway.chat(model="gpt-9")
    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "model_not_found")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/v1/nothing", 404, "not_found"),
        ("GET", "/v1/chat/completions", 405, "method_not_allowed"),
        ("POST", "/v1/models", 405, "method_not_allowed"),
        ("GET", "/v1/", 404, "not_found"),
    ],
)
async def test_other_paths_and_methods_are_refused(
    gateway: RunningGateway, method: str, path: str, status: int, code: str
) -> None:
    answer = await gateway.http.request(method, path, headers=headers(a_token()))
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_a_missing_scope_is_a_refused_feature(gateway: RunningGateway) -> None:
    answer = await gateway.chat(a_token(scopes=["complete_code"]))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "feature_not_granted")


async def test_a_missing_provider_is_a_refused_entitlement(gateway: RunningGateway) -> None:
    answer = await gateway.chat(a_token(providers=["duo"]))
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "provider_not_entitled")


async def test_the_list_shows_only_models_of_entitled_providers(gateway: RunningGateway) -> None:
    entitled = await gateway.http.get("/v1/models", headers=headers(a_token()))
    other = await gateway.http.get("/v1/models", headers=headers(a_token(providers=["duo"])))
    assert [each["id"] for each in entitled.json()["data"]] == ["demo"]
    assert other.json()["data"] == []


async def test_one_model_is_shown_by_its_ref(gateway: RunningGateway) -> None:
    known = await gateway.http.get("/v1/models/demo", headers=headers(a_token()))
    hidden = await gateway.http.get("/v1/models/demo", headers=headers(a_token(providers=[])))
    assert known.json()["id"] == "demo"
    assert hidden.status_code == 404


async def test_a_model_that_is_down_is_unavailable_for_now(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    await endpoint.stop()
    answer = await gateway.chat()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "model_unavailable")
    assert int(answer.headers["retry-after"]) > 0
    await endpoint.start()
    assert (await gateway.chat()).status_code == 200


async def test_a_stream_that_breaks_off_ends_with_an_error_event(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.break_after, endpoint.pace_s = 2, 0.05
    answer = await gateway.chat(stream=True)
    last = answer.text.rstrip().split("\n\n")[-1].removeprefix("data: ")
    assert json.loads(last)["error"]["code"] == "model_unavailable"
    assert "[DONE]" not in answer.text


@pytest.mark.parametrize(
    ("upstream", "status", "code"),
    [
        (503, 503, "model_unavailable"),
        (429, 429, "model_busy"),
        (500, 502, "upstream_failed"),
        (401, 502, "upstream_failed"),
        (404, 502, "upstream_failed"),
        (302, 502, "upstream_failed"),
    ],
)
async def test_an_endpoints_failure_is_not_the_callers(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, upstream: int, status: int, code: str
) -> None:
    endpoint.status = upstream
    answer = await gateway.chat()
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


async def test_what_the_model_says_of_a_bad_request_passes(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.status = 400
    answer = await gateway.chat(max_tokens=-1)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert (error["message"], error["code"]) == ("as told", "invalid_request")


async def test_a_model_that_requires_more_than_this_release_knows_is_refused(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, instance: FakeInstance
) -> None:
    instance.serve(a_feed_model(endpoint=endpoint.url, requires=("time_of_day",)))
    await gateway.catch_up(instance)
    answer = await gateway.chat()
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "gateway_too_old")
    assert "retry-after" not in answer.headers


async def test_no_refusal_names_the_endpoint_or_its_key(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.status = 401
    answer = await gateway.chat()
    assert str(endpoint.port) not in answer.text
    assert "canary" not in answer.text


async def test_a_slow_reader_gets_every_frame(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.words = [f"word{index} " + "x" * 2000 for index in range(300)]
    body = {**ASK, "stream": True, "stream_options": {"include_usage": True}}
    got = b""
    async with gateway.http.stream("POST", CHAT, json=body, headers=headers(a_token())) as answer:
        async for part in answer.aiter_raw(4096):
            got += part
    assert got == endpoint.sent


async def test_a_defect_is_answered_without_its_trace(
    gateway: RunningGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise RuntimeError("secret detail")

    monkeypatch.setattr("gateway.edge.admitting.gate.permit_feature", broken)
    answer: httpx.Response = await gateway.chat()
    assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal_error")
    assert "secret" not in answer.text


async def test_an_answer_that_never_ends_is_ended_after_the_longest_time(
    settings: Settings, endpoint: FakeModelEndpoint
) -> None:
    endpoint.waits = True
    limited = settings.model_copy(update={"longest_answer": timedelta(seconds=0.3)})
    async with a_gateway(limited) as gateway:
        whole = await gateway.chat()
        assert (whole.status_code, whole.json()["error"]["code"]) == (503, "model_unavailable")
        streamed = await gateway.chat(stream=True)
        assert "model_unavailable" in streamed.text
    assert endpoint.running == 0
