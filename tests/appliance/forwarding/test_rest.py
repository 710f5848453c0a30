import asyncio
from typing import Any

import httpx
import pytest

from tests.appliance.explanations.builders import buy
from tests.appliance.forwarding.conftest import CHAT, PATIENCE_S, Forwarding

PATH = "/api/v4/ai/requests"


async def _until(is_so: Any) -> None:
    async with asyncio.timeout(PATIENCE_S):
        while not is_so():
            await asyncio.sleep(0.01)


async def test_a_question_goes_on_and_its_answer_comes_back_byte_for_byte(
    forwarding: Forwarding,
) -> None:
    gateway = forwarding.gateway
    gateway.parts = [b"data: \xf0\x9f", b"\x98\x80\n\n", b"data: [DONE]\n\n"]
    body = b'{"messages": [ ],"stream":true}'
    headers = {"content-type": "application/json", "X-Gitlab-Unit-Primitive": "explain_code"}
    answer = await forwarding.ask(await forwarding.token(), content=body, headers=headers)
    assert (answer.status_code, answer.content) == (200, b"".join(gateway.parts))
    assert answer.headers["content-type"] == "text/event-stream"
    path, heard, sent = gateway.heard[0]
    assert (path, sent) == ("/v1/chat/completions", body)
    assert heard["x-gitlab-unit-primitive"] == "explain_code"
    assert heard["x-request-id"] == answer.headers["x-request-id"]


async def test_a_completion_goes_where_completions_go(forwarding: Forwarding) -> None:
    await forwarding.ask(await forwarding.token(), json={"prompt": "x"})
    assert forwarding.gateway.heard[0][0] == "/v1/completions"


async def test_the_gateways_refusal_is_passed_on_as_it_is(forwarding: Forwarding) -> None:
    gateway = forwarding.gateway
    gateway.status = 403
    gateway.headers = {"Content-Type": "application/json", "Retry-After": "5", "X-Inner": "no"}
    gateway.parts = [b'{"error":{"code":"feature_not_granted","decision_id":"d"}}']
    answer = await forwarding.ask(await forwarding.token())
    assert (answer.status_code, answer.content) == (403, gateway.parts[0])
    assert answer.headers["retry-after"] == "5"
    assert "x-inner" not in answer.headers


async def test_the_forwarded_token_is_for_this_request_alone(forwarding: Forwarding) -> None:
    forwarding.db.write_blocking(lambda session: buy(session, "duo_core"))
    token = await forwarding.token()
    await forwarding.ask(token)
    claims = forwarding.gateway.claims
    assert (claims["use"], claims["client_ip"]) == ("forwarded", "127.0.0.1")
    assert claims["exp"] - claims["iat"] == 120
    assert "duo_chat" in claims["scopes"]
    await forwarding.ask(token)
    assert forwarding.gateway.claims["jti"] != claims["jti"]


async def test_what_was_bought_since_does_not_widen_what_is_forwarded(
    forwarding: Forwarding,
) -> None:
    forwarding.db.write_blocking(lambda session: buy(session, "duo_core"))
    token = await forwarding.token()

    forwarding.db.write_blocking(lambda session: buy(session, "duo_self_hosted"))
    await forwarding.ask(token)
    assert "shm" not in forwarding.gateway.claims["providers"]


async def test_the_caller_behind_a_trusted_proxy_is_named(forwarding: Forwarding) -> None:
    token = await forwarding.token()
    headers = [
        ("Authorization", f"Bearer {token}"),
        ("X-Forwarded-For", "192.0.2.66, 10.0.0.9"),
        ("X-Forwarded-For", "127.0.0.1"),
    ]
    await forwarding.client.post(PATH, headers=headers, json=CHAT)
    assert forwarding.gateway.claims["client_ip"] == "10.0.0.9"


async def test_parts_come_as_they_are_made(forwarding: Forwarding) -> None:
    turns = forwarding.gateway.turns = asyncio.Semaphore(1)
    token = await forwarding.token()
    headers = {"Authorization": f"Bearer {token}"}
    async with forwarding.client.stream("POST", PATH, headers=headers, json=CHAT) as answer:
        parts = answer.aiter_bytes()
        assert await anext(parts) == b"data: one\n\n"
        turns.release()
        assert await anext(parts) == b"data: [DONE]\n\n"


async def test_a_client_that_leaves_ends_the_request_at_the_gateway(
    forwarding: Forwarding,
) -> None:
    gateway = forwarding.gateway
    gateway.turns = asyncio.Semaphore(1)
    headers = {"Authorization": f"Bearer {await forwarding.token()}"}
    async with forwarding.client.stream("POST", PATH, headers=headers, json=CHAT) as answer:
        await anext(answer.aiter_bytes())
    async with asyncio.timeout(PATIENCE_S):
        await gateway.left.wait()


async def test_a_client_that_leaves_before_the_answer_begins_ends_it_too(
    forwarding: Forwarding,
) -> None:
    gateway = forwarding.gateway
    gateway.turns, gateway.parts = asyncio.Semaphore(0), [b"x"]
    headers = {"Authorization": f"Bearer {await forwarding.token()}"}
    asking = asyncio.create_task(forwarding.client.post(PATH, headers=headers, json=CHAT))
    await _until(lambda: gateway.running == 1)
    asking.cancel()
    async with asyncio.timeout(PATIENCE_S):
        await gateway.left.wait()


async def test_a_slow_client_slows_the_gateway_down(forwarding: Forwarding) -> None:
    gateway = forwarding.gateway
    gateway.parts = [b"x" * 65536] * 1024
    whole = sum(map(len, gateway.parts))
    headers = {"Authorization": f"Bearer {await forwarding.token()}"}
    async with forwarding.client.stream("POST", PATH, headers=headers, json=CHAT) as answer:
        parts = answer.aiter_bytes()
        await anext(parts)
        stood = -1
        while stood != gateway.sent_bytes:
            stood = gateway.sent_bytes
            await asyncio.sleep(0.1)
        assert stood < whole // 2
        assert sum([len(each) async for each in parts]) > whole // 2


async def test_an_answer_that_breaks_off_is_not_taken_for_a_whole_one(
    forwarding: Forwarding,
) -> None:
    forwarding.gateway.breaks_off = True
    with pytest.raises(httpx.RemoteProtocolError):
        await forwarding.ask(await forwarding.token())


async def test_a_gateway_that_is_down_is_a_503(forwarding: Forwarding) -> None:
    token = await forwarding.token()
    await forwarding.gateway.stop()
    answer = await forwarding.ask(token)
    assert (answer.status_code, answer.json()["code"]) == (503, "gateway_unavailable")
    assert answer.headers["retry-after"] == "1"


async def test_a_hundred_streams_leave_the_instance_responsive(forwarding: Forwarding) -> None:
    gateway = forwarding.gateway
    turns = gateway.turns = asyncio.Semaphore(0)
    token = await forwarding.token()
    asking = [asyncio.create_task(forwarding.ask(token)) for _ in range(100)]
    await _until(lambda: gateway.running == 100)
    assert (await forwarding.client.get("/api/v4/user")).status_code == 200
    for _ in range(200):
        turns.release()
    assert {each.status_code for each in await asyncio.gather(*asking)} == {200}


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"input":"x"}', b"\xff"])
async def test_a_body_without_a_question_is_refused(forwarding: Forwarding, body: bytes) -> None:
    headers = {"content-type": "application/json"}
    answer = await forwarding.ask(await forwarding.token(), content=body, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_fields")


async def test_a_body_of_another_kind_or_over_the_limit_is_refused(
    forwarding: Forwarding,
) -> None:
    token = await forwarding.token()
    answer = await forwarding.ask(token, content=b"{}", headers={"content-type": "text/plain"})
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_media_type")
    body = {"messages": [], "x": "x" * 2 * 1024 * 1024}
    answer = await forwarding.ask(token, json=body)
    assert (answer.status_code, answer.json()["code"]) == (413, "request_too_large")
    # More than any other route takes, but no more than the gateway does.
    answer = await forwarding.ask(token, json={"messages": [], "x": "x" * 1500 * 1024})
    assert answer.status_code == 200


async def test_a_personal_token_is_not_taken(forwarding: Forwarding) -> None:
    pat = forwarding.client.headers["PRIVATE-TOKEN"]
    for token in (pat, "x", "a.b.c"):
        answer = await forwarding.ask(token)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
        assert answer.headers["www-authenticate"] == "Bearer"
    assert not forwarding.gateway.heard
