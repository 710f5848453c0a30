"""A model endpoint that costs almost nothing, so that what is measured is what stands before it.

`python -m tests.bench.mock_endpoint PORT` answers OpenAI's protocol from prepared bytes. A stream
sends as many chunks as `max_tokens` says, one every N milliseconds for a `user` of `pace-N`.
"""

import asyncio
import json
import re
import sys
from typing import cast

import uvloop

_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_CHUNKS = re.compile(rb'"max_tokens": *(\d+)')
_WITH_USAGE = re.compile(rb'"include_usage": *true')
_PACE_MS = re.compile(rb'"user": *"pace-(\d+)"')


def _answer(content_type: str, body: bytes) -> bytes:
    head = f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n\r\n"
    return head.encode() + body


_USAGE = {"prompt_tokens": 12, "completion_tokens": 64, "total_tokens": 76}
_MESSAGE = {"role": "assistant", "content": "word " * 64}
_WHOLE = _answer(
    "application/json",
    json.dumps(
        {
            "id": "chatcmpl-1",
            "object": "chat.completion",
            "created": 1,
            "model": "demo",
            "choices": [{"index": 0, "message": _MESSAGE, "finish_reason": "stop"}],
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
_DELTA = {"index": 0, "delta": {"content": " word"}, "logprobs": None, "finish_reason": None}
_CHUNK = _event({**_FRAME, "choices": [_DELTA]})
_USAGE_EVENT = _event({**_FRAME, "choices": [], "usage": _USAGE})
_DONE = _event("[DONE]") + b"0\r\n\r\n"


class MockEndpoint(asyncio.Protocol):
    """One connection; requests come one after another."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._streaming: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are none of asyncio's by class, only by what they do.
        self._transport = cast("asyncio.Transport", transport)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._streaming is not None:
            self._streaming.cancel()

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
        if head.startswith(b"GET"):
            self._transport.write(_MODELS)
        elif b'"stream":true' in body or b'"stream": true' in body:
            self._streaming = asyncio.get_running_loop().create_task(self._stream(body))
        else:
            self._transport.write(_WHOLE)

    async def _stream(self, body: bytes) -> None:
        assert self._transport is not None
        chunks, pace = _CHUNKS.search(body), _PACE_MS.search(body)
        pace_s = int(pace.group(1)) / 1000 if pace else 0.0
        self._transport.write(_STREAM_HEAD)
        due = asyncio.get_running_loop().time()
        for _ in range(int(chunks.group(1)) if chunks else 16):
            self._transport.write(_CHUNK)
            due += pace_s
            await asyncio.sleep(max(0.0, due - asyncio.get_running_loop().time()))
        self._transport.write(_USAGE_EVENT + _DONE if _WITH_USAGE.search(body) else _DONE)


async def serve(port: int) -> None:
    server = await asyncio.get_running_loop().create_server(MockEndpoint, "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1])))
