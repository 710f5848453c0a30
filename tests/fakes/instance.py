"""An instance as a gateway sees it: a key set, a feed, and a place for reports and usage."""

from collections.abc import Callable
from typing import Any

import jwt
import msgspec
from aiohttp import web
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PublicKey

from gateway.contract.events import EVENTS_PATH, Batch, Decision, Receipt, RefusedEvent, UsageEvent
from gateway.contract.feed import FEED_PATH, REPORT_PATH, FeedModel, Report
from gateway.issuer.identity import Identity
from tests.builders import (
    INSTANCE_ID,
    MODEL_API_KEY,
    a_feed_document,
    a_jwk,
    a_sealed_api_key,
    a_signed_feed,
)


class FakeInstance:
    """Serves what a test sets; counts how often it was asked."""

    def __init__(self, identity: Identity) -> None:
        self._gateway_id = identity.gateway_id
        self._signing: Ed25519PublicKey = identity.signing.public_key()
        self._sealing: X25519PublicKey = identity.sealing.public_key()
        self.jwks = [a_jwk()]
        self.models: tuple[FeedModel, ...] = ()
        self.sequence = 1
        self.epoch = 1
        self.is_down = False
        self.key_set_fetches = 0
        self.assertions: list[dict[str, Any]] = []
        self.reports: list[Report] = []
        # What came of usage, repeated or not; `takes_batch` gives the status of an answer.
        self.batches: list[Batch] = []
        self.refuses: dict[str, str] = {}
        self.takes_batch: Callable[[Batch], int] = lambda _: 200
        self.port = 0
        self._runner: web.AppRunner | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        app = web.Application()
        app.router.add_get("/oauth/discovery/keys", self._keys)
        app.router.add_get(FEED_PATH, self._feed)
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

    async def stop(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    def serve(self, *models: FeedModel) -> None:
        """Feeds these models, each with its API key sealed to the gateway."""
        self.models = tuple(
            msgspec.structs.replace(
                model,
                sealed_api_key=a_sealed_api_key(
                    self._sealing, ref=model.ref, api_key=MODEL_API_KEY
                ),
            )
            for model in models
        )
        self.sequence += 1

    async def _keys(self, request: web.Request) -> web.Response:
        del request
        self.key_set_fetches += 1
        return web.Response(status=503) if self.is_down else web.json_response({"keys": self.jwks})

    def _check(self, request: web.Request) -> None:
        assertion = request.headers["Authorization"].removeprefix("Bearer ")
        claims = jwt.decode(
            assertion,
            self._signing,
            algorithms=["EdDSA"],
            audience=INSTANCE_ID,
            options={"verify_iat": False},
        )
        self.assertions.append(claims)

    async def _feed(self, request: web.Request) -> web.Response:
        if self.is_down:
            return web.Response(status=503)
        self._check(request)
        etag = f'"{self.epoch}-{self.sequence}"'
        if request.headers.get("If-None-Match") == etag:
            return web.Response(status=304)
        document = a_feed_document(
            self._gateway_id, *self.models, epoch=self.epoch, sequence=self.sequence
        )
        body = msgspec.json.encode(a_signed_feed(document))
        return web.Response(body=body, content_type="application/json", headers={"ETag": etag})

    async def _report(self, request: web.Request) -> web.Response:
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
