"""An instance as a gateway sees it: a key set, a feed, and a place for reports and usage."""

import asyncio
import time
from collections.abc import Callable
from email.utils import formatdate
from typing import Any

import jwt
import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from gateway.contract.events import EVENTS_PATH, Batch, Decision, Receipt, RefusedEvent, UsageEvent
from gateway.contract.feed import (
    FEED_PATH,
    REPORT_PATH,
    STREAM_PATH,
    STREAM_TYPE,
    FeedDocument,
    FeedModel,
    Report,
    Revocations,
)
from gateway.contract.introspection import INTROSPECTION_PATH
from gateway.issuer.identity import Identity
from tests.builders import (
    INSTANCE_ID,
    MODEL_API_KEY,
    a_feed_document,
    a_jwk,
    a_sealed_api_key,
    a_signed_feed,
)

HEARTBEAT_S = 0.1


class Stream:
    """One open stream: what `send` is given goes out as it is."""

    def __init__(self, jti: str, asked: dict[str, str]) -> None:
        self.jti = jti
        # What the gateway said where it stands; empty for one that wants everything.
        self.asked = asked
        self.sent: list[bytes] = []
        self._parts: asyncio.Queue[bytes | None] = asyncio.Queue()

    def send(self, line: bytes) -> None:
        self.sent.append(line)
        self.send_raw(line + b"\n")

    def send_raw(self, part: bytes) -> None:
        """Some bytes that need not be a line."""
        self._parts.put_nowait(part)

    def cut(self) -> None:
        """Ends the stream after what was sent."""
        self._parts.put_nowait(None)

    async def next(self) -> bytes | None:
        return await self._parts.get()


class FakeInstance:
    """Serves what a test sets; counts how often it was asked."""

    # Assertions may be as old as they like, for a gateway with a clock of its own.
    is_timeless = False

    def __init__(self, identity: Identity) -> None:
        self._gateway_id = identity.gateway_id
        self._signing: Ed25519PublicKey = identity.signing.public_key()
        self._sealing: X25519PublicKey = identity.sealing.public_key()
        self.jwks = [a_jwk()]
        self.models: tuple[FeedModel, ...] = ()
        self.sequence = 1
        self.epoch = 1
        self.is_down = False
        # One release older: it has no stream.
        self.is_older = False
        # What the documents are signed with, if not with the key that was pinned.
        self.foreign_key: Ed25519PrivateKey | None = None
        # Members of a document that a newer release might have.
        self.unknown_members: dict[str, object] = {}
        # Whether streams get heartbeats.
        self.is_silent = False
        self.parts: dict[str, Any] = {}
        self.streams: list[Stream] = []
        self.key_set_fetches = 0
        # What a personal access token opens, and what was asked of them.
        self.pats: dict[str, dict[str, Any]] = {}
        self.introspected: list[dict[str, str]] = []
        self.polls = 0
        # It answers the feed's questions with 401, by a clock that is ahead of ours.
        self.is_unauthorized = False
        self.clock_ahead_s = 0
        self.refused_assertions = 0
        self.assertions: list[dict[str, Any]] = []
        self.reports: list[Report] = []
        self.refuses_reports = False
        # What came of usage, repeated or not; `takes_batch` gives the status of an answer.
        self.batches: list[Batch] = []
        self.refuses: dict[str, str] = {}
        self.takes_batch: Callable[[Batch], int] = lambda _: 200
        self.port = 0
        self._runner: web.AppRunner | None = None
        self._clock_ms = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/oauth/discovery/keys", self._keys)
        app.router.add_get(FEED_PATH, self._feed)
        app.router.add_get(STREAM_PATH, self._stream)
        app.router.add_post(INTROSPECTION_PATH, self._introspect)
        app.router.add_post(REPORT_PATH, self._report)
        app.router.add_post(EVENTS_PATH, self._events)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", self.port).start()
        self.port = self._runner.addresses[0][1]

    @property
    def events(self) -> list[UsageEvent]:
        """Every event that was taken, as often as it came."""
        return [event for batch in self.batches for event in batch.events]

    @property
    def decisions(self) -> list[Decision]:
        return [decision for batch in self.batches for decision in batch.decisions]

    @property
    def stream(self) -> Stream:
        """The one that was asked for last."""
        return self.streams[-1]

    async def stop(self) -> None:
        for stream in self.streams:
            stream.cut()
        if self._runner is not None:
            await self._runner.cleanup()

    def serve(self, *models: FeedModel) -> None:
        """Feeds these models and no others, each with its API key sealed to the gateway."""
        gone = {model.ref for model in self.models} - {model.ref for model in models}
        self.models = tuple(
            msgspec.structs.replace(
                model,
                sealed_api_key=a_sealed_api_key(
                    self._sealing, ref=model.ref, api_key=MODEL_API_KEY
                ),
            )
            for model in models
        )
        self.change(models=self.models, removed_models=tuple(gone))

    def revoke(self, **parts: Any) -> None:
        self.tell(revocations=Revocations(**parts))

    def tell(self, **parts: Any) -> None:
        """Feeds parts of a document, as a change and in each snapshot from now on."""
        self.parts.update(parts)
        self.change(**parts)

    def change(self, **parts: Any) -> None:
        """Feeds one change to the streams that are open."""
        self.sequence += 1
        for stream in self.streams:
            stream.send(self.a_change(stream, **parts))

    def a_change(self, stream: Stream, **fields: Any) -> bytes:
        """The line of a change from the number before this one."""
        fields = {"since": self.sequence - 1, "stream": stream.jti, **fields}
        return self._line(self._document(**fields))

    def a_snapshot(self, stream: Stream | None = None, **fields: Any) -> bytes:
        """The line of everything."""
        fields = {"models": self.models, **self.parts, **fields}
        return self._line(self._document(stream=stream.jti if stream else None, **fields))

    def a_heartbeat(self, stream: Stream, **fields: Any) -> bytes:
        return self._line(
            self._document(**{"since": self.sequence, "stream": stream.jti, **fields})
        )

    def _document(self, **fields: Any) -> FeedDocument:
        # No two documents of one moment, as a test makes them faster than an instance.
        self._clock_ms = max(self._clock_ms + 1, int(time.time() * 1000))
        numbers = {"epoch": self.epoch, "sequence": self.sequence, "clock_ms": self._clock_ms}
        gateway_id = fields.pop("gateway_id", self._gateway_id)
        return a_feed_document(gateway_id, **{"models": (), **numbers, **fields})

    def _line(self, document: FeedDocument) -> bytes:
        members = {**msgspec.to_builtins(document), **self.unknown_members}
        return msgspec.json.encode(a_signed_feed(members, key=self.foreign_key))

    async def _keys(self, request: web.Request) -> web.Response:
        del request
        self.key_set_fetches += 1
        return web.Response(status=503) if self.is_down else web.json_response({"keys": self.jwks})

    def _check(self, request: web.Request) -> dict[str, Any]:
        assertion = request.headers["Authorization"].removeprefix("Bearer ")
        claims: dict[str, Any] = jwt.decode(
            assertion,
            self._signing,
            algorithms=["EdDSA"],
            audience=INSTANCE_ID,
            options={"verify_iat": False, "verify_exp": not self.is_timeless},
        )
        self.assertions.append(claims)
        return claims

    async def _feed(self, request: web.Request) -> web.Response:
        self.polls += 1
        if self.is_down:
            return web.Response(status=503)
        self._check(request)
        etag = f'"{self.epoch}-{self.sequence}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        body = self.a_snapshot()
        return web.Response(body=body, content_type="application/json", headers={"ETag": etag})

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        if self.is_unauthorized:
            self.refused_assertions += 1
            date = formatdate(time.time() + self.clock_ahead_s, usegmt=True)
            return web.Response(status=401, headers={"Date": date})
        if self.is_down or self.is_older:
            return web.Response(status=503 if self.is_down else 404)
        stream = Stream(self._check(request)["jti"], dict(request.query))
        response = web.StreamResponse(headers={"Content-Type": STREAM_TYPE})
        await response.prepare(request)
        here = {"epoch": str(self.epoch), "sequence": str(self.sequence)}
        stream.send(
            self.a_heartbeat(stream, **self.parts)
            if stream.asked == here
            else self.a_snapshot(stream)
        )
        self.streams.append(stream)
        try:
            await self._speak(stream, response)
        except ConnectionResetError:
            pass
        finally:
            self.streams.remove(stream)
        return response

    async def _speak(self, stream: Stream, response: web.StreamResponse) -> None:
        while True:
            try:
                async with asyncio.timeout(HEARTBEAT_S):
                    part = await stream.next()
            except TimeoutError:
                if not self.is_silent:
                    stream.send(self.a_heartbeat(stream))
                continue
            if part is None:
                return
            await response.write(part)

    async def _introspect(self, request: web.Request) -> web.Response:
        if self.is_down:
            return web.Response(status=503)
        self._check(request)
        form = await request.post()
        self.introspected.append({name: str(value) for name, value in form.items()})
        claims = self.pats.get(str(form["token"]))
        return web.json_response(
            {"active": False} if claims is None else {"active": True, **claims}
        )

    async def _report(self, request: web.Request) -> web.Response:
        if self.refuses_reports:
            return web.Response(status=503)
        self._check(request)
        self.reports.append(msgspec.json.decode(await request.read(), type=Report))
        return web.json_response({})

    async def _events(self, request: web.Request) -> web.Response:
        if self.is_down:
            return web.Response(status=503)
        self._check(request)
        batch = msgspec.json.decode(await request.read(), type=Batch)
        status = self.takes_batch(batch)
        if status == 200:
            self.batches.append(batch)
        refused = tuple(
            RefusedEvent(event_id=event.event_id, reason=self.refuses[event.event_id])
            for event in batch.events
            if event.event_id in self.refuses
        )
        body = msgspec.json.encode(Receipt(refused=refused))
        return web.Response(status=status, body=body, content_type="application/json")
