import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from gateway.edge.exchange import Exchange
from gateway.errors import RequestTooLargeError
from tests.door import nobody


def an_exchange(messages: Sequence[dict[str, Any]], **headers: bytes) -> tuple[Exchange, list[Any]]:
    """An exchange that receives these messages and notes what it sends."""
    left, sent = iter(messages), []

    async def receive() -> Any:
        return next(left)

    async def send(message: Any) -> None:
        sent.append(message)

    named = [(name.replace("_", "-").encode(), value) for name, value in headers.items()]
    scope: Any = {"type": "http", "method": "POST", "path": "/", "headers": named}
    return Exchange(scope, receive, send), sent


def a_part(body: bytes, *, more: bool = False) -> dict[str, Any]:
    return {"type": "http.request", "body": body, "more_body": more}


async def test_a_body_is_put_together_from_its_parts() -> None:
    exchange, _ = an_exchange([a_part(b"ab", more=True), a_part(b"cd")])
    assert await exchange.read_body(limit_bytes=4) == b"abcd"


async def test_a_client_that_leaves_while_sending_is_gone() -> None:
    exchange, _ = an_exchange([a_part(b"ab", more=True), {"type": "http.disconnect"}])
    with pytest.raises(asyncio.CancelledError):
        await exchange.read_body(limit_bytes=10)
    assert exchange.is_gone


async def test_a_body_that_says_it_is_too_large_is_not_read() -> None:
    exchange, _ = an_exchange([], content_length=b"11")
    with pytest.raises(RequestTooLargeError):
        await exchange.read_body(limit_bytes=10)


async def test_a_body_that_is_too_large_without_saying_so_is_noticed() -> None:
    exchange, _ = an_exchange([a_part(b"x" * 6, more=True), a_part(b"x" * 6)])
    with pytest.raises(RequestTooLargeError, match="limit of 10 bytes"):
        await exchange.read_body(limit_bytes=10)


async def test_a_message_that_is_no_disconnect_cancels_nobody() -> None:
    exchange, _ = an_exchange([a_part(b"")])
    exchange.watch_client()
    await asyncio.sleep(0)
    exchange.forget_client()
    assert not exchange.is_gone


async def test_a_client_that_leaves_cancels_what_is_done_for_it() -> None:
    exchange, _ = an_exchange([{"type": "http.disconnect"}])
    exchange.watch_client()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(5)
    assert exchange.is_gone


class SlowClient:
    """Takes a part only once it is told to."""

    def __init__(self) -> None:
        self.taken: list[bytes] = []
        self.may_take = asyncio.Event()

    async def send(self, message: Any) -> None:
        await self.may_take.wait()
        self.taken.append(message["body"])

    def exchange(self) -> Exchange:
        async def receive() -> Any:
            return a_part(b"")

        scope: Any = {"type": "http", "method": "POST", "path": "/", "headers": []}
        return Exchange(scope, receive, self.send)


async def test_a_part_that_is_taken_at_once_is_not_waited_for() -> None:
    exchange, sent = an_exchange([])
    assert exchange.push(b"part") is None
    assert sent[0]["body"] == b"part"


async def test_a_part_that_is_not_taken_at_once_is_waited_for() -> None:
    client = SlowClient()
    waiting = client.exchange().push(b"part")
    assert waiting is not None
    assert client.taken == []
    client.may_take.set()
    await waiting
    assert client.taken == [b"part"]


async def test_waiting_for_a_slow_client_can_be_cancelled() -> None:
    client = SlowClient()
    waiting = client.exchange().push(b"part")
    assert waiting is not None
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await waiting
    client.may_take.set()
    await asyncio.sleep(0)
    assert client.taken == []


async def test_an_answer_carries_its_length_and_the_request_id() -> None:
    exchange, sent = an_exchange([], x_request_id=b"abc")
    await exchange.answer(200, b"{}", extra=((b"a", b"b"),))
    assert dict(sent[0]["headers"]) == {
        b"content-type": b"application/json",
        b"x-request-id": b"abc",
        b"content-length": b"2",
        b"a": b"b",
    }
    assert sent[1] == {"type": "http.response.body", "body": b"{}", "more_body": False}


async def test_a_repeated_header_is_one_list() -> None:
    lines = [(b"authorization", b"Bearer a"), (b"x-a", b"1"), (b"authorization", b"Bearer b")]
    scope: Any = {"type": "http", "method": "GET", "path": "/", "headers": lines}
    exchange = Exchange(scope, nobody, lambda _: nobody())
    assert exchange.headers == {b"authorization": b"Bearer a, Bearer b", b"x-a": b"1"}
