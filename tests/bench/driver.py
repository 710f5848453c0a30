"""Drives an OpenAI endpoint over plain sockets and notes when each byte arrives."""

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

PROMPT = "Tell me something about networks. " * 8
# The first event of a stream names the role and has an empty text.
_TEXT = re.compile(rb'"content": ?"[^"]')


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to send requests, and the token or key that opens it."""

    port: int
    bearer: str
    headers: Mapping[str, str] = field(default_factory=dict)

    def request(self, *, prompt: str = PROMPT, **changes: object) -> bytes:
        """The bytes of one chat completion request on a connection that is kept."""
        asked = {
            "model": "demo",
            "messages": [{"role": "user", "content": prompt}],
            "max_tokens": 64,
            **changes,
        }
        body = json.dumps(asked).encode()
        headers = {
            "Host": f"127.0.0.1:{self.port}",
            "Authorization": f"Bearer {self.bearer}",
            "Content-Type": "application/json",
            "Content-Length": str(len(body)),
            **self.headers,
        }
        lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        return f"POST /v1/chat/completions HTTP/1.1\r\n{lines}\r\n".encode() + body


@dataclass(slots=True)
class Streamed:
    """What one stream brought: seconds to its first and to its last byte of text, and its bytes."""

    first_s: float = 0.0
    took_s: float = 0.0
    events: int = 0
    parts: list[bytes] = field(default_factory=list)

    def contents(self) -> list[str]:
        """The texts of the events that brought any, in their order."""
        # What follows the last empty line is an event that was cut off, or nothing.
        events = unchunked(b"".join(self.parts)).split(b"\n\n")[:-1]
        frames = [
            json.loads(event.removeprefix(b"data: "))
            for event in events
            if event.startswith(b"data: {")
        ]
        choices = [frame["choices"][0] for frame in frames if frame.get("choices")]
        return [text for choice in choices if (text := choice["delta"].get("content"))]


@dataclass(slots=True)
class Measured:
    """Latencies in seconds, how long the whole run took, and how late requests were sent."""

    latencies_s: list[float] = field(default_factory=list)
    late_s: list[float] = field(default_factory=list)
    wall_s: float = 0.0


def unchunked(answer: bytes) -> bytes:
    """The body of a whole answer in chunked transfer coding; what is cut off is left out."""
    _, _, rest = answer.partition(b"\r\n\r\n")
    body, at = [], 0
    while (end := rest.find(b"\r\n", at)) >= 0:
        size = int(rest[at:end].partition(b";")[0] or b"0", 16)
        body.append(rest[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
    return b"".join(body)


class Connection(asyncio.Protocol):
    """One connection that is kept; asks again only after an answer has come whole."""

    def __init__(self) -> None:
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._waiting: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_exception(exc or ConnectionResetError("closed before the answer"))

    def data_received(self, data: bytes) -> None:
        self._received += data
        if self._waiting is not None and _is_whole(self._received):
            answer, self._received = self._received, b""
            self._waiting.set_result(answer)

    async def exchange(self, request: bytes) -> bytes:
        """The whole answer, whatever its status."""
        assert self._transport is not None
        self._waiting = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._waiting

    async def ask(self, request: bytes) -> bytes:
        """The whole answer; a status other than 200 is an error."""
        answer = await self.exchange(request)
        if not answer.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(answer.decode())
        return answer

    def close(self) -> None:
        assert self._transport is not None
        self._transport.close()


def _is_whole(received: bytes) -> bool:
    end = received.find(b"\r\n\r\n")
    if end < 0:
        return False
    head = received[:end].lower()
    _, declared, after = head.partition(b"content-length: ")
    if declared:
        return len(received) >= end + 4 + int(after.partition(b"\r\n")[0])
    return received.endswith(b"0\r\n\r\n")


async def connect(target: Target) -> Connection:
    """A new connection."""
    loop = asyncio.get_running_loop()
    _, connection = await loop.create_connection(Connection, "127.0.0.1", target.port)
    return connection


async def closed_loop(target: Target, *, connections: int, seconds: float) -> Measured:
    """As fast as `connections` go, each with its next request right after the answer."""
    measured, request = Measured(), target.request()
    opened = [await connect(target) for _ in range(connections)]
    started = time.perf_counter()

    async def one(connection: Connection) -> None:
        now = time.perf_counter()
        while now < started + seconds:
            await connection.ask(request)
            before, now = now, time.perf_counter()
            measured.latencies_s.append(now - before)

    await asyncio.gather(*(one(connection) for connection in opened))
    measured.wall_s = time.perf_counter() - started
    for connection in opened:
        connection.close()
    return measured


async def fixed_rate(target: Target, *, per_s: int, seconds: float) -> Measured:
    """One request every 1/`per_s`, whether or not the earlier ones are answered."""
    measured, request = Measured(), target.request()
    idle = [await connect(target) for _ in range(8)]

    async def one() -> None:
        connection = idle.pop() if idle else await connect(target)
        sent = time.perf_counter()
        await connection.ask(request)
        measured.latencies_s.append(time.perf_counter() - sent)
        idle.append(connection)

    start, running = time.perf_counter(), []
    for number in range(round(per_s * seconds)):
        due = start + number / per_s
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        measured.late_s.append(time.perf_counter() - due)
        running.append(asyncio.create_task(one()))
    await asyncio.gather(*running)
    measured.wall_s = time.perf_counter() - start
    for connection in idle:
        connection.close()
    return measured


class StreamClient(asyncio.Protocol):
    """Keeps what arrives; it is read only after the run, so that the driver stays cheap."""

    def __init__(self, request: bytes) -> None:
        self._request = request
        self._started = 0.0
        self._tail = b""
        self.streamed = Streamed()
        self.ended = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._started = time.perf_counter()
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        streamed = self.streamed
        streamed.parts.append(data)
        streamed.events += data.count(b"data: ")
        # A mark may be cut in two by the read.
        seen = self._tail + data
        if not streamed.first_s and _TEXT.search(seen):
            streamed.first_s = time.perf_counter() - self._started
        if b"[DONE]" in seen:
            streamed.took_s = time.perf_counter() - self._started
            assert self._transport is not None
            self._transport.close()
        self._tail = seen[-32:]

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.ended.set_result(None)


async def stream(client: StreamClient, target: Target) -> Streamed:
    """One whole stream on a connection of its own."""
    loop = asyncio.get_running_loop()
    await loop.create_connection(lambda: client, "127.0.0.1", target.port)
    await client.ended
    return client.streamed


async def _one_stream(client: StreamClient, target: Target, wait_s: float) -> None:
    await asyncio.sleep(wait_s)
    await stream(client, target)


async def streams(
    target: Target,
    *,
    count: int,
    chunks: int,
    pace_ms: int,
    while_all_run: Callable[[int], None] = lambda _: None,
) -> list[Streamed]:
    """`count` streams at once, started over a second at most, each of `chunks` at `pace_ms`.

    `while_all_run` is told the number of events that have come so far: once when all streams have
    begun, and once before the first can end.
    """
    # In the prompt, because not every gateway passes other members on.
    prompt = f"{PROMPT} pace {pace_ms} ms"
    request = target.request(prompt=prompt, stream=True, max_tokens=chunks)
    clients = [StreamClient(request) for _ in range(count)]
    ideal_s = chunks * pace_ms / 1000
    spread_s = min(1.0, ideal_s / 3)

    async def watch() -> None:
        for wait_s in (1.2 * spread_s, 0.95 * ideal_s - 1.2 * spread_s):
            await asyncio.sleep(wait_s)
            while_all_run(sum(each.streamed.events for each in clients))

    begun = (
        _one_stream(each, target, spread_s * number / count) for number, each in enumerate(clients)
    )
    await asyncio.gather(watch(), *begun)
    return [each.streamed for each in clients]
