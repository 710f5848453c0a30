import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.builders import MODEL_API_KEY, a_feed_model, a_token
from tests.fakes.instance import FakeInstance
from tests.fakes.model_endpoint import FakeModelEndpoint
from tests.gateway.conftest import RunningGateway, eventually

ANSWER = b'{"choices":[],"usage":{"prompt_tokens":1,"completion_tokens":1}}'


class DroppingEndpoint:
    """Answers the first request of a connection and drops it at the second."""

    def __init__(self) -> None:
        self.connections = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            await reader.readexactly(length)
        start = (
            f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(ANSWER)}"
        )
        writer.write(start.encode() + b"\r\n\r\n" + ANSWER)
        await reader.read(1)
        writer.close()


async def test_an_idle_connection_that_was_dropped_is_replaced_once(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    dropping = DroppingEndpoint()
    async with await asyncio.start_server(dropping.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        instance.serve(a_feed_model(endpoint=f"http://127.0.0.1:{port}/v1"))
        await eventually(lambda: dropping.connections > 0)
        answers = [await gateway.chat() for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200] * 4


@pytest.fixture
async def second() -> AsyncIterator[FakeModelEndpoint]:
    fake = FakeModelEndpoint()
    fake.api_key = MODEL_API_KEY
    await fake.start()
    yield fake
    await fake.stop()


async def settled(gateway: RunningGateway) -> None:
    """What a probe was answered has reached the gateway, which is in this same loop."""
    for _ in range(3):
        await gateway.http.get("/health")


@pytest.fixture
async def pair(
    gateway: RunningGateway,
    instance: FakeInstance,
    endpoint: FakeModelEndpoint,
    second: FakeModelEndpoint,
) -> RunningGateway:
    """A gateway with one model at two endpoints that are both ready."""
    instance.serve(a_feed_model(endpoints=(endpoint.url, second.url)))
    await gateway.catch_up(instance)
    await eventually(lambda: endpoint.probes and second.probes)
    await settled(gateway)
    return gateway


async def test_the_endpoints_of_a_model_take_turns(
    pair: RunningGateway, endpoint: FakeModelEndpoint, second: FakeModelEndpoint
) -> None:
    for _ in range(6):
        assert (await pair.chat()).status_code == 200
    assert (len(endpoint.requests), len(second.requests)) == (3, 3)


async def test_the_endpoint_with_less_to_do_is_asked(
    pair: RunningGateway, endpoint: FakeModelEndpoint, second: FakeModelEndpoint
) -> None:
    endpoint.waits = second.waits = True
    stuck = asyncio.create_task(pair.chat())
    await eventually(lambda: endpoint.running + second.running == 1)
    other = second if endpoint.running else endpoint
    other.waits = False
    for _ in range(4):
        assert (await pair.chat()).status_code == 200
    assert len(other.requests) == 4
    stuck.cancel()


@pytest.mark.parametrize("stream", [False, True])
async def test_an_endpoint_that_says_away_costs_the_client_nothing(
    pair: RunningGateway,
    endpoint: FakeModelEndpoint,
    second: FakeModelEndpoint,
    stream: bool,
) -> None:
    endpoint.status = 503
    answers = [await pair.chat(stream=stream) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len(second.requests) == 4
    second.status = 502
    away = await pair.chat()
    assert (away.status_code, away.json()["error"]["code"]) == (503, "model_unavailable")


async def test_an_endpoint_that_is_gone_costs_the_client_nothing(
    pair: RunningGateway, endpoint: FakeModelEndpoint, second: FakeModelEndpoint
) -> None:
    await endpoint.stop()
    answers = [await pair.chat() for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200] * 4
    assert len(second.requests) == 4


async def test_a_request_that_ends_an_endpoint_is_not_asked_of_the_other(
    gateway: RunningGateway, instance: FakeInstance, second: FakeModelEndpoint
) -> None:
    ended = 0

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal ended
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST"):
            ended += 1
        else:
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")
        writer.close()

    async with await asyncio.start_server(end, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        instance.serve(a_feed_model(endpoints=(f"http://127.0.0.1:{port}/v1", second.url)))
        await gateway.catch_up(instance)
        await eventually(lambda: second.probes)
        await settled(gateway)
        statuses = sorted([(await gateway.chat()).status_code for _ in range(2)])
    assert (statuses, ended, len(second.requests)) == ([200, 503], 1, 1)


async def busy(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    instance.serve(a_feed_model(endpoint=endpoint.url, max_in_flight=1))
    await gateway.catch_up(instance)


async def test_a_model_is_asked_no_more_at_once_than_it_may_be(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    await busy(gateway, instance, endpoint)
    endpoint.waits = True
    asking = asyncio.create_task(gateway.chat())
    await eventually(lambda: endpoint.running == 1)
    refused = await gateway.chat()
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "model_busy")
    assert int(refused.headers["retry-after"]) > 0
    assert len(endpoint.requests) == 1
    # Told anew, the limit is another one; what is under way counts on.
    instance.serve(a_feed_model(endpoint=endpoint.url, max_in_flight=1, name="Other"))
    await gateway.catch_up(instance)
    assert (await gateway.chat()).status_code == 429
    asking.cancel()
    endpoint.waits = False
    await eventually(lambda: endpoint.running == 0)
    assert (await gateway.chat()).status_code == 200


async def test_a_place_is_free_again_however_the_answer_ended(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    await busy(gateway, instance, endpoint)
    endpoint.status = 400
    assert (await gateway.chat()).status_code == 400
    endpoint.status, endpoint.break_after = 200, 1
    broken = await gateway.chat(stream=True)
    assert "model_unavailable" in broken.text
    endpoint.break_after, endpoint.waits = None, True
    asked = {"model": "demo", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"Authorization": f"Bearer {a_token()}"}
    for _ in range(3):
        async with gateway.http.stream(
            "POST", "/v1/chat/completions", json=asked, headers=headers
        ) as left:
            assert left.status_code == 200
            await anext(left.aiter_bytes())
        await eventually(lambda: endpoint.running == 0)
    await endpoint.stop()
    assert (await gateway.chat()).status_code == 503
    await endpoint.start()
    endpoint.waits = False
    assert (await gateway.chat()).status_code == 200
