import asyncio
from collections.abc import AsyncIterator, Awaitable

import pytest

from gateway.upstream.connection import (
    MAX_HEAD_BYTES,
    BrokenOffError,
    Connection,
    TooLongError,
)

JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n"
CHUNKED = STREAM_HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


def a_chunk(body: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(body), body)


class Endpoint:
    """The other end of one connection, which says exactly what a test tells it to."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.reader: asyncio.StreamReader
        self.writer: asyncio.StreamWriter

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.connected.set()

    def say(self, data: bytes) -> None:
        self.writer.write(data)

    async def hang_up(self) -> None:
        self.writer.close()
        await self.writer.wait_closed()


@pytest.fixture
def endpoint() -> Endpoint:
    return Endpoint()


@pytest.fixture
async def connection(endpoint: Endpoint) -> AsyncIterator[Connection]:
    loop = asyncio.get_running_loop()
    async with await asyncio.start_server(endpoint.serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        _, made = await loop.create_connection(lambda: Connection(loop), "127.0.0.1", port)
        await endpoint.connected.wait()
        yield made
        made.close()
        endpoint.writer.close()


class Taken:
    """A sink that takes everything at once, or waits before each part."""

    def __init__(self) -> None:
        self.parts: list[bytes] = []
        self.gate: asyncio.Event | None = None

    def __call__(self, data: bytes) -> Awaitable[None] | None:
        self.parts.append(data)
        return self._wait(self.gate) if self.gate else None

    @staticmethod
    async def _wait(gate: asyncio.Event) -> None:
        await gate.wait()
        gate.clear()


async def asked(connection: Connection, endpoint: Endpoint, *said: bytes) -> Connection:
    """The connection after a request that was answered with `said`."""
    asking = asyncio.create_task(connection.ask(b"PING\r\n"))
    assert await endpoint.reader.readexactly(6) == b"PING\r\n"
    for part in said:
        endpoint.say(part)
        await asyncio.sleep(0.01)
    await asyncio.wait_for(asking, 5)
    return connection


@pytest.mark.parametrize("cut", range(0, 80, 7))
async def test_a_whole_answer_is_the_same_however_it_is_cut(
    connection: Connection, endpoint: Endpoint, cut: int
) -> None:
    answer = JSON_HEAD + b"Content-Length: 12\r\n\r\nHello, world"
    await asked(connection, endpoint, answer[:cut], answer[cut:])
    assert (connection.status, connection.content_type) == (200, b"application/json")
    assert await connection.read() == b"Hello, world"
    assert connection.is_reusable


async def test_two_requests_follow_each_other_on_one_connection(
    connection: Connection, endpoint: Endpoint
) -> None:
    for number in (b"1", b"2"):
        await asked(connection, endpoint, JSON_HEAD + b"Content-Length: 1\r\n\r\n" + number)
        assert await connection.read() == number


async def test_the_parts_of_a_stream_are_handed_on_as_they_come(
    connection: Connection, endpoint: Endpoint
) -> None:
    taken = Taken()
    await asked(connection, endpoint, CHUNKED + a_chunk(b"one"))
    streaming = asyncio.create_task(connection.stream(taken))
    await asyncio.sleep(0.01)
    assert taken.parts == [b"one"]
    endpoint.say(a_chunk(b"two") + a_chunk(b"three"))
    await asyncio.sleep(0.01)
    assert taken.parts == [b"one", b"twothree"]
    assert not streaming.done()
    endpoint.say(b"0\r\n\r\n")
    await asyncio.wait_for(streaming, 5)
    assert connection.is_reusable


async def test_a_client_that_takes_nothing_stops_the_reading(
    connection: Connection, endpoint: Endpoint
) -> None:
    taken = Taken()
    taken.gate = asyncio.Event()
    await asked(connection, endpoint, CHUNKED)
    streaming = asyncio.create_task(connection.stream(taken))
    parts = [b"%d" % number * 70_000 for number in range(8)]
    for part in parts:
        endpoint.say(a_chunk(part))
    await asyncio.sleep(0.05)
    assert len(taken.parts) == 1
    endpoint.say(b"0\r\n\r\n")
    while not streaming.done():
        taken.gate.set()
        await asyncio.sleep(0.001)
    assert b"".join(taken.parts) == b"".join(parts)
    assert connection.is_reusable


async def test_a_stream_whose_end_comes_with_a_part_that_is_not_taken_ends(
    connection: Connection, endpoint: Endpoint
) -> None:
    taken = Taken()
    taken.gate = asyncio.Event()
    await asked(connection, endpoint, CHUNKED)
    streaming = asyncio.create_task(connection.stream(taken))
    endpoint.say(a_chunk(b"all") + b"0\r\n\r\n")
    await asyncio.sleep(0.02)
    assert not streaming.done()
    taken.gate.set()
    await asyncio.wait_for(streaming, 5)
    assert taken.parts == [b"all"]


async def test_a_stream_that_breaks_off_is_noticed_after_what_had_come(
    connection: Connection, endpoint: Endpoint
) -> None:
    taken = Taken()
    await asked(connection, endpoint, CHUNKED + a_chunk(b"one"))
    streaming = asyncio.create_task(connection.stream(taken))
    await asyncio.sleep(0.01)
    await endpoint.hang_up()
    with pytest.raises(BrokenOffError, match="closed the connection"):
        await streaming
    assert taken.parts == [b"one"]
    assert not connection.is_reusable


async def test_an_endpoint_that_hangs_up_without_a_word_has_not_answered(
    connection: Connection, endpoint: Endpoint
) -> None:
    asking = asyncio.create_task(connection.ask(b"PING\r\n"))
    await endpoint.reader.readexactly(6)
    await endpoint.hang_up()
    with pytest.raises(BrokenOffError):
        await asking
    assert not connection.has_answered


async def test_a_request_on_a_connection_that_is_gone_fails_at_once(
    connection: Connection, endpoint: Endpoint
) -> None:
    await endpoint.hang_up()
    await asyncio.sleep(0.01)
    with pytest.raises(BrokenOffError):
        await asyncio.wait_for(connection.ask(b"PING\r\n"), 5)
    assert not connection.has_answered


async def test_an_answer_without_a_length_ends_with_its_connection(
    connection: Connection, endpoint: Endpoint
) -> None:
    await asked(connection, endpoint, JSON_HEAD + b"Connection: close\r\n\r\n{}")
    await endpoint.hang_up()
    assert await connection.read() == b"{}"
    assert not connection.is_reusable


async def test_an_answer_that_is_shorter_than_its_length_breaks_off(
    connection: Connection, endpoint: Endpoint
) -> None:
    await asked(connection, endpoint, JSON_HEAD + b"Content-Length: 9\r\n\r\n{}")
    await endpoint.hang_up()
    with pytest.raises(BrokenOffError):
        await connection.read()


async def test_what_is_announced_before_the_answer_is_passed_over(
    connection: Connection, endpoint: Endpoint
) -> None:
    early = b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n"
    await asked(connection, endpoint, early, JSON_HEAD + b"Content-Length: 2\r\n\r\n{}")
    assert (connection.status, await connection.read()) == (200, b"{}")


async def test_trailers_do_not_change_the_answer(
    connection: Connection, endpoint: Endpoint
) -> None:
    said = CHUNKED + a_chunk(b"one") + b"0\r\ncontent-type: text/plain\r\n\r\n"
    await asked(connection, endpoint, said)
    assert await connection.read() == b"one"
    assert connection.content_type == b"text/event-stream"


@pytest.mark.parametrize(
    "said",
    [
        b"SSH-2.0-OpenSSH\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        JSON_HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
    ],
)
async def test_an_answer_that_is_no_good_http_breaks_off(
    connection: Connection, endpoint: Endpoint, said: bytes
) -> None:
    with pytest.raises(BrokenOffError, match="not HTTP"):
        await asked(connection, endpoint, said)
    assert not connection.is_reusable


async def test_an_endless_head_is_given_up(connection: Connection, endpoint: Endpoint) -> None:
    with pytest.raises(TooLongError):
        await asked(connection, endpoint, JSON_HEAD + b"X: " + b"x" * 2 * MAX_HEAD_BYTES)


@pytest.mark.parametrize("in_time", [True, False])
async def test_a_body_over_the_limit_is_given_up(
    connection: Connection, endpoint: Endpoint, *, in_time: bool
) -> None:
    body = b"Content-Length: 20000\r\n\r\n" + b"x" * (20_000 if in_time else 10)
    await asked(connection, endpoint, JSON_HEAD + body)
    reading = asyncio.create_task(connection.read(limit_bytes=100))
    await asyncio.sleep(0)
    endpoint.say(b"x" * 19_000)
    with pytest.raises(TooLongError):
        await reading


@pytest.mark.parametrize(
    "surplus", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"garbage", b"\r\nHTTP/1.1 200"]
)
async def test_a_connection_that_says_more_than_it_was_asked_is_not_used_again(
    connection: Connection, endpoint: Endpoint, surplus: bytes
) -> None:
    said = JSON_HEAD + b"Content-Length: 2\r\n\r\n{}" + surplus
    try:
        await asked(connection, endpoint, said)
        assert await connection.read() == b"{}"
    except BrokenOffError:
        pass
    assert not connection.is_reusable


async def test_a_word_nobody_asked_for_ends_an_idle_connection(
    connection: Connection, endpoint: Endpoint
) -> None:
    await asked(connection, endpoint, JSON_HEAD + b"Content-Length: 2\r\n\r\n{}")
    endpoint.say(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    await asyncio.sleep(0.02)
    assert not connection.is_reusable


async def test_closing_ends_what_the_endpoint_is_saying(
    connection: Connection, endpoint: Endpoint
) -> None:
    await asked(connection, endpoint, CHUNKED)
    connection.close()
    assert await asyncio.wait_for(endpoint.reader.read(), 5) == b""
