"""A model endpoint that speaks OpenAI's protocol and can be told to misbehave."""

import asyncio
import json
from typing import Any

from aiohttp import web

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


class FakeModelEndpoint:
    """Answers from what a test sets; keeps what it was asked."""

    def __init__(self) -> None:
        self.api_key: str | None = None
        self.words = ["one", " two", " three"]
        self.pace_s = 0.0
        self.status = 200
        # What each of the next requests is refused with, and what a stream says in its place.
        self.refusals: list[tuple[int, str]] = []
        self.raw: bytes | None = None
        self.ignores_stream = False
        # Members of the entry in the list of models.
        self.listed: dict[str, Any] = {}
        self.break_after: int | None = None
        self.waits = False
        self.lingers = False
        self.separator = "\n\n"
        self.requests: list[dict[str, Any]] = []
        self.bodies: list[bytes] = []
        self.sent = b""
        self.probes = 0
        self.running = 0
        self.left = asyncio.Event()
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/v1/models", self._models)
        app.router.add_post("/v1/chat/completions", self._complete)
        app.router.add_post("/v1/completions", self._complete)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def _is_known(self, request: web.Request) -> bool:
        return (
            self.api_key is None or request.headers.get("Authorization") == f"Bearer {self.api_key}"
        )

    async def _models(self, request: web.Request) -> web.Response:
        if not self._is_known(request):
            return web.json_response({"error": "Unauthorized"}, status=401)
        self.probes += 1
        entry = {"id": "demo", "object": "model", **self.listed}
        return web.json_response({"object": "list", "data": [entry]})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        if not self._is_known(request):
            return web.json_response({"error": "Unauthorized"}, status=401)
        body = await request.read()
        asked = json.loads(body)
        self.bodies.append(body)
        self.requests.append(asked)
        status, message = self.refusals.pop(0) if self.refusals else (self.status, "as told")
        if status != 200:
            error = {"message": message, "type": "BadRequestError", "param": None, "code": 400}
            return web.json_response({"error": error}, status=status)
        self.running += 1
        try:
            if asked.get("stream") and not self.ignores_stream:
                return await self._stream(request, asked)
            if self.waits:
                await asyncio.Event().wait()
            return web.json_response(_whole(asked, "".join(self.words)))
        except asyncio.CancelledError:
            self.left.set()
            raise
        finally:
            self.running -= 1

    async def _stream(self, request: web.Request, asked: dict[str, Any]) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream; charset=utf-8"})
        await response.prepare(request)
        if self.raw is not None:
            await response.write(self.raw)
            return response
        frames = [_frame(asked, word) for word in self.words]
        if (asked.get("stream_options") or {}).get("include_usage"):
            frames.append({**_frame(asked, ""), "choices": [], "usage": USAGE})
        for index, frame in enumerate(frames):
            if index == self.break_after and request.transport is not None:
                request.transport.abort()
                return response
            await self._write(response, json.dumps(frame, separators=(",", ":")))
            await asyncio.sleep(self.pace_s)
        if self.waits:
            await asyncio.Event().wait()
        await self._write(response, "[DONE]")
        if self.lingers:
            await asyncio.Event().wait()
        return response

    async def _write(self, response: web.StreamResponse, text: str) -> None:
        frame = f"data: {text}{self.separator}".encode()
        self.sent += frame
        await response.write(frame)


def _whole(asked: dict[str, Any], text: str) -> dict[str, Any]:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "text": text, "finish_reason": "stop"}
    return {
        "id": "cmpl-1",
        "object": "chat.completion" if "messages" in asked else "text_completion",
        "created": 1,
        "model": asked["model"],
        "choices": [choice],
        "usage": USAGE,
    }


def _frame(asked: dict[str, Any], word: str) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": word}, "text": word, "finish_reason": None}
    return {
        "id": "cmpl-1",
        "object": "chat.completion.chunk" if "messages" in asked else "text_completion",
        "created": 1,
        "model": asked["model"],
        "choices": [choice],
    }
