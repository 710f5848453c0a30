"""A model endpoint that costs almost nothing, so that what is measured is what stands before it.

`python -m tests.bench.mock_endpoint PORT` answers OpenAI's protocol from prepared bytes. A stream
sends as many numbered chunks as `max_tokens` says, one every N milliseconds if a message
says `pace N ms`. `GET /served` tells how many answers and streams were begun.
"""

import asyncio
import json
import re
import sys
from functools import cache
from typing import cast

import uvloop

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CHUNKS = re.compile(rb'"max_tokens": *(\d+)')
_WITH_USAGE = re.compile(rb'"include_usage": *true')
_STREAM = re.compile(rb'"stream": *true')
_PACE_MS = re.compile(rb"pace (\d+) ms")

ANSWER = "word " * 64


def chunk_text(number: int) -> str:
    """The text of one chunk; no two chunks of a stream have the same."""
    return f" w{number}"


def _answer(content_type: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_USAGE = {"prompt_tokens": 12, "completion_tokens": 64, "total_tokens": 76}
_WHOLE = _answer(
    "application/json",
    json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "demo",
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": ANSWER},
                    "finish_reason": "stop",
                }
            ],
            "usage": _USAGE,
        },
        separators=(",", ":"),
    ).encode(),
)
_MODELS = _answer("application/json", b'{"object":"list","data":[{"id":"demo","object":"model"}]}')
_STREAM_HEAD = (
    b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n"
)


def _event(frame: object) -> bytes:
    text = frame if isinstance(frame, str) else json.dumps(frame, separators=(",", ":"))
    data = f"data: {text}\n\n".encode()
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


_FRAME = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "demo"}
_ROLE_EVENT = _event(
    {
        **_FRAME,
        "choices": [
            {
                "index": 0,
                "delta": {"role": "assistant", "content": ""},
                "logprobs": None,
                "finish_reason": None,
            }
        ],
    }
)
_USAGE_EVENT = _event({**_FRAME, "choices": [], "usage": _USAGE})
_DONE = _event("[DONE]") + b"0\r\n\r\n"


@cache
def _chunk(number: int, *, is_last: bool) -> bytes:
    choice = {
        "index": 0,
        "delta": {"content": chunk_text(number)},
        "logprobs": None,
        "finish_reason": "length" if is_last else None,
    }
    return _event({**_FRAME, "choices": [choice]})


class Stream:
    """One paced stream; a timer for each chunk, none late because of an earlier one."""

    def __init__(self, transport: asyncio.Transport, body: bytes) -> None:
        chunks, pace = _CHUNKS.search(body), _PACE_MS.search(body)
        self._transport = transport
        self._chunks = int(chunks.group(1)) if chunks else 16
        self._pace_s = int(pace.group(1)) / 1000 if pace else 0.0
        self._end = _USAGE_EVENT + _DONE if _WITH_USAGE.search(body) else _DONE
        self._sent = 0
        self._loop = asyncio.get_running_loop()
        self._due = self._loop.time()
        transport.write(_STREAM_HEAD + _ROLE_EVENT)
        self._timer: asyncio.Handle = self._loop.call_soon(self._send)

    def cancel(self) -> None:
        self._timer.cancel()

    def _send(self) -> None:
        is_last = self._sent + 1 >= self._chunks
        chunk = _chunk(self._sent, is_last=is_last)
        self._sent += 1
        if is_last:
            self._transport.write(chunk + self._end)
            return
        self._transport.write(chunk)
        self._due += self._pace_s
        self._timer = self._loop.call_at(self._due, self._send)


class MockEndpoint(asyncio.Protocol):
    """One connection; requests come one after another."""

    served: dict[str, int]

    def __init__(self, served: dict[str, int]) -> None:
        self.served = served
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._stream: Stream | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's by class, only by what they do.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._stream is not None:
            self._stream.cancel()

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(b"\r\n\r\n")) >= 0:
            head = self._received[:end]
            declared = _LENGTH.search(head)
            length = int(declared.group(1)) if declared else 0
            if len(self._received) < end + 4 + length:
                return
            body = self._received[end + 4 : end + 4 + length]
            self._received = self._received[end + 4 + length :]
            self._reply(head, body)

    def _reply(self, head: bytes, body: bytes) -> None:
        assert self._transport is not None
        if head.startswith(b"GET /served"):
            self._transport.write(_answer("application/json", json.dumps(self.served).encode()))
        elif head.startswith(b"GET"):
            self._transport.write(_MODELS)
        elif _STREAM.search(body):
            self.served["streams"] += 1
            self._stream = Stream(self._transport, body)
        else:
            self.served["answers"] += 1
            self._transport.write(_WHOLE)


async def serve(port: int) -> None:
    served = {"answers": 0, "streams": 0}
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: MockEndpoint(served), "127.0.0.1", port, backlog=1024)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
