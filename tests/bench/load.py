"""Drives an OpenAI endpoint over plain sockets and notes when each byte arrives."""

import asyncio
import json
import time
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where to send requests, and the token or key that opens it."""

    port: int
    bearer: str

    def request(self, **changes: object) -> bytes:
        """The bytes of one chat completion request on a connection that is kept."""
        asked = {
            "model": "demo",
            "messages": [{"role": "user", "content": "Tell me something about networks. " * 8}],
            "max_tokens": 64,
            **changes,
        }
        body = json.dumps(asked).encode()
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\n"
            f"Authorization: Bearer {self.bearer}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body


@dataclass(slots=True)
class Streamed:
    """What one stream brought: seconds to the first event, and how many events."""

    first_s: float = 0.0
    events: int = 0
    whole: bool = False


@dataclass(slots=True)
class Measured:
    """Latencies in seconds, and how long the whole run took."""

    latencies_s: list[float] = field(default_factory=list)
    wall_s: float = 0.0

    def quantile_ms(self, share: float) -> float:
        """The latency that `share` of the requests stay under, in milliseconds."""
        ordered = sorted(self.latencies_s)
        return 1000 * ordered[min(len(ordered) - 1, int(share * len(ordered)))]


async def _whole_answer(reader: asyncio.StreamReader) -> None:
    head = await reader.readuntil(b"\r\n\r\n")
    if not head.startswith(b"HTTP/1.1 200"):
        raise RuntimeError(head.decode())
    length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
    await reader.readexactly(length)


async def closed_loop(target: Target, *, connections: int, requests: int) -> Measured:
    """As fast as `connections` go, each with its next request right after the answer."""
    measured, request = Measured(), target.request()
    left = iter(range(requests))

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
        for _ in left:
            started = time.perf_counter()
            writer.write(request)
            await _whole_answer(reader)
            measured.latencies_s.append(time.perf_counter() - started)
        writer.close()

    started = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(connections)))
    measured.wall_s = time.perf_counter() - started
    return measured


async def fixed_rate(target: Target, *, per_s: int, requests: int) -> Measured:
    """One request every 1/`per_s`, whether or not the earlier ones are answered."""
    measured, request = Measured(), target.request()
    idle: asyncio.LifoQueue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.LifoQueue()

    async def one(due: float) -> None:
        if idle.empty():
            idle.put_nowait(await asyncio.open_connection("127.0.0.1", target.port))
        reader, writer = idle.get_nowait()
        writer.write(request)
        await _whole_answer(reader)
        measured.latencies_s.append(time.perf_counter() - due)
        idle.put_nowait((reader, writer))

    start, running = time.perf_counter(), []
    for number in range(requests):
        due = start + number / per_s
        await asyncio.sleep(max(0.0, due - time.perf_counter()))
        running.append(asyncio.create_task(one(due)))
    await asyncio.gather(*running)
    measured.wall_s = time.perf_counter() - start
    while not idle.empty():
        idle.get_nowait()[1].close()
    return measured


async def _one_stream(target: Target, request: bytes, spread_s: float) -> Streamed:
    await asyncio.sleep(spread_s)
    reader, writer = await asyncio.open_connection("127.0.0.1", target.port)
    streamed, started = Streamed(), time.perf_counter()
    writer.write(request)
    await reader.readuntil(b"\r\n\r\n")
    tail = b""
    while not streamed.whole:
        data = await reader.read(65536)
        if not data:
            break
        if not streamed.first_s:
            streamed.first_s = time.perf_counter() - started
        # An event's mark may be cut in two by the read.
        streamed.events += (tail + data).count(b"data: ") - tail.count(b"data: ")
        streamed.whole = b"[DONE]" in tail + data
        tail = (tail + data)[-16:]
    writer.close()
    return streamed


async def streams(target: Target, *, count: int, chunks: int, pace_ms: int) -> list[Streamed]:
    """`count` streams at once, started over one second, each of `chunks` at `pace_ms`."""
    request = target.request(stream=True, max_tokens=chunks, user=f"pace-{pace_ms}")
    started = (_one_stream(target, request, number / count) for number in range(count))
    return list(await asyncio.gather(*started))
