"""A model endpoint with the faults that real ones have: of paths, keys, names, TLS and streams."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp import web

from tests.conftest import a_free_port

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
WORDS = ["one", " two", " three", " four", " five"]


class FaultyEndpoint:
    """A good endpoint, until a test says otherwise; keeps what it was asked, in order."""

    def __init__(self, host: str = "127.0.0.1") -> None:
        self.host = host
        self.base = "/v1"
        self.models = ["demo"]
        self.api_key: str | None = None
        # What takes the place of the good answer at a path.
        self.instead: dict[str, Handler] = {}
        self.streams = True
        self.ends_streams = True
        # Before each word.
        self.pace_s = 0.0
        # A proxy that hands a stream on when it is whole.
        self.is_buffered = False
        self.asked: list[tuple[str, str]] = []
        self.keys: list[str | None] = []
        self.questions: list[dict[str, Any]] = []
        self.port = 0
        self._scheme = "http"
        self._runner: web.AppRunner | None = None

    @property
    def root(self) -> str:
        return f"{self._scheme}://{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return self.root + self.base

    async def start(self, tls: ssl.SSLContext | None = None) -> None:
        app = web.Application()
        app.router.add_route("*", "/{rest:.*}", self._serve)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self.host, self.port, ssl_context=tls).start()
        self.port = self._runner.addresses[0][1]
        self._scheme = "http" if tls is None else "https"

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        self.asked.append((request.method, request.path))
        self.keys.append(request.headers.get("Authorization"))
        good: dict[tuple[str, str], Handler] = {
            ("GET", f"{self.base}/models"): self._models,
            ("POST", f"{self.base}/chat/completions"): self._complete,
            ("POST", f"{self.base}/completions"): self._complete,
        }
        if (instead := self.instead.get(request.path)) is not None:
            return await instead(request)
        handler = good.get((request.method, request.path))
        if handler is None:
            return web.json_response({"detail": "Not Found"}, status=404)
        if self.api_key is not None and self.keys[-1] != f"Bearer {self.api_key}":
            return web.json_response({"error": "Unauthorized"}, status=401)
        return await handler(request)

    async def _models(self, _: web.Request) -> web.StreamResponse:
        data = [{"id": each, "object": "model"} for each in self.models]
        return web.json_response({"object": "list", "data": data})

    async def _complete(self, request: web.Request) -> web.StreamResponse:
        question = await request.json()
        self.questions.append(question)
        if question["model"] not in self.models:
            said = f"The model `{question['model']}` does not exist."
            return web.json_response({"error": {"message": said}}, status=404)
        if question["stream"] and self.streams:
            return await self._stream(request, question)
        text = "".join(WORDS)
        choice = {"index": 0, **_words(question, text, whole=True), "finish_reason": "length"}
        return web.json_response({"object": "x", "choices": [choice]})

    async def _stream(self, request: web.Request, question: dict[str, Any]) -> web.StreamResponse:
        answer = web.StreamResponse(headers={"Content-Type": "text/event-stream"})
        await answer.prepare(request)
        held = b""
        for word in WORDS:
            await asyncio.sleep(self.pace_s)
            choice = {"index": 0, **_words(question, word, whole=False)}
            part = b"data: " + json.dumps({"choices": [choice]}).encode() + b"\n\n"
            if self.is_buffered:
                held += part
            else:
                await answer.write(part)
        await answer.write(held + (b"data: [DONE]\n\n" if self.ends_streams else b""))
        return answer


def _words(question: dict[str, Any], text: str, *, whole: bool) -> dict[str, Any]:
    if "prompt" in question:
        return {"text": text}
    return {"message" if whole else "delta": {"role": "assistant", "content": text}}


def answering(status: int, body: Any = None, **headers: str) -> Handler:
    """Answers with JSON, or with a text as it is."""

    async def handler(_: web.Request) -> web.StreamResponse:
        if isinstance(body, str):
            return web.Response(status=status, text=body, headers=headers)
        return web.json_response(body, status=status, headers=headers)

    return handler


async def hanging(_: web.Request) -> web.StreamResponse:
    """Never answers."""
    await asyncio.Event().wait()
    raise AssertionError


async def cutting(request: web.Request) -> web.StreamResponse:
    """Ends the connection without a word."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response()


@asynccontextmanager
async def a_faulty_endpoint(
    tls: ssl.SSLContext | None = None, *, host: str = "127.0.0.1"
) -> AsyncIterator[FaultyEndpoint]:
    endpoint = FaultyEndpoint(host)
    await endpoint.start(tls)
    yield endpoint
    await endpoint.stop()


def serving(certificate: Path, key: Path) -> ssl.SSLContext:
    """What a server shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


@asynccontextmanager
async def a_mute_port() -> AsyncIterator[int]:
    """Takes connections and says nothing."""

    async def hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    port = a_free_port()
    server = await asyncio.start_server(hold, "127.0.0.1", port)
    async with server:
        yield port
