"""A gateway as the instance sees it: takes questions, proves itself, misbehaves when told."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import jwt
import msgspec
from aiohttp import web
from anyio.from_thread import start_blocking_portal
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from appliance.gateway_feed.rules import encode, gateway_id
from gateway.contract.challenge import CHALLENGE_PATH, Challenge, ChallengeAnswer, signed_text
from gateway.contract.definitions import DEFINITIONS_PATH


@contextmanager
def running_apart(gateway: "FakeGateway") -> Iterator["FakeGateway"]:
    """Serves in a thread of its own: Litestar's client holds the test's event loop up."""
    with start_blocking_portal() as portal:
        portal.call(gateway.start)
        yield gateway
        portal.call(gateway.stop)


def prompt_parts(*texts: str, is_whole: bool = True) -> list[bytes]:
    """The lines of an answer to a prompt; with the last one, which tells what was used."""
    lines = [{"content": text} for text in texts]
    last = {"content": "", "usage": {"tiny": {"input_tokens": 1, "output_tokens": 1}}}
    return [msgspec.json.encode(line) + b"\n" for line in [*lines, *([last] if is_whole else [])]]


def agent_parts(*events: tuple[str, dict[str, Any]], is_whole: bool = True) -> list[bytes]:
    """The lines of one step of a conversation, each of a type and its data."""
    said = [{"type": kind, "data": data} for kind, data in events]
    last = {"type": "usage", "data": {"usage": {}}}
    return [msgspec.json.encode(line) + b"\n" for line in [*said, *([last] if is_whole else [])]]


@dataclass
class Played:
    """One answer of several; `cut` is the header that says what did not fit."""

    parts: list[bytes] = field(default_factory=list)
    status: int = 200
    cut: str | None = None
    breaks_off: bool = False


@dataclass
class FakeGateway:
    """Answers what a test sets; keeps what it was asked."""

    signing: Ed25519PrivateKey = field(default_factory=Ed25519PrivateKey.generate)
    status: int = 200
    headers: dict[str, str] = field(default_factory=lambda: {"Content-Type": "text/event-stream"})
    parts: list[bytes] = field(default_factory=lambda: [b"data: one\n\n", b"data: [DONE]\n\n"])
    heard: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    # Each part waits for a turn when there are any to be had.
    turns: asyncio.Semaphore | None = None
    breaks_off: bool = False
    # Played one after the other, before what is set above.
    script: list[Played] = field(default_factory=list)
    # What it says of the models that it brings; None: it fails at that.
    definitions: bytes | None = b"[]"
    running: int = 0
    sent_bytes: int = 0
    left: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    _runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def claims(self) -> dict[str, Any]:
        """What the token of the last question said."""
        _, headers, _ = self.heard[-1]
        text = headers["authorization"].removeprefix("Bearer ")
        claims: dict[str, Any] = jwt.decode(text, options={"verify_signature": False})
        return claims

    async def start(self) -> None:
        app = web.Application(client_max_size=64 * 1024 * 1024)
        app.router.add_post(CHALLENGE_PATH, self._prove)
        app.router.add_get(DEFINITIONS_PATH, self._define)
        app.router.add_post("/{version:v[12]}/{rest:.*}", self._answer)
        self._runner = web.AppRunner(app, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _prove(self, request: web.Request) -> web.Response:
        challenge = msgspec.json.decode(await request.read(), type=Challenge)
        answer = ChallengeAnswer(
            gateway_id=gateway_id(self.signing.public_key().public_bytes_raw()),
            signature=encode(self.signing.sign(signed_text(challenge))),
        )
        return web.Response(body=msgspec.json.encode(answer), content_type="application/json")

    async def _define(self, request: web.Request) -> web.Response:
        del request
        status = 500 if self.definitions is None else 200
        return web.Response(status=status, body=self.definitions, content_type="application/json")

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.heard.append((request.path, headers, await request.read()))
        played = self._next()
        cut = {} if played.cut is None else {"X-Casemate-Cut": played.cut}
        answer = web.StreamResponse(status=played.status, headers={**self.headers, **cut})
        self.running += 1
        try:
            await answer.prepare(request)
            for part in played.parts:
                if self.turns is not None:
                    await self.turns.acquire()
                await answer.write(part)
                self.sent_bytes += len(part)
            if played.breaks_off and request.transport is not None:
                request.transport.abort()
        except (asyncio.CancelledError, ConnectionError):
            self.left.set()
            raise
        finally:
            self.running -= 1
        return answer

    def _next(self) -> Played:
        if self.script:
            return self.script.pop(0)
        return Played(parts=self.parts, status=self.status, breaks_off=self.breaks_off)
