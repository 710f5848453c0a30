"""A running instance whose feed can be followed over real connections."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import httpx
import msgspec
import pytest
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from litestar import Litestar

from appliance.app import create_app
from appliance.gateway_feed.usecases import feed_public_key
from appliance.serving import Server as Uvicorn
from appliance.storage.engine import Db
from gateway.contract.feed import SIGNATURE_CONTEXT, STREAM_PATH, FeedDocument, SignedFeed
from tests.appliance.conftest import FilledHome
from tests.instance_builders import GatewayKeys, SetClock

PATIENCE_S = 10.0


def decoded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


@dataclass
class Reader:
    """One open stream, as its gateway reads it."""

    lines: AsyncIterator[str]
    feed_key: Ed25519PublicKey

    async def next(self) -> FeedDocument:
        """The next document."""
        async with asyncio.timeout(PATIENCE_S):
            signed = msgspec.json.decode(await anext(self.lines), type=SignedFeed)
        body = decoded(signed.document)
        self.feed_key.verify(decoded(signed.signature), SIGNATURE_CONTEXT + body)
        return msgspec.json.decode(body, type=FeedDocument)

    async def until(self, claim: Callable[[FeedDocument], bool]) -> FeedDocument:
        """The next document of which that holds."""
        async with asyncio.timeout(PATIENCE_S):
            while not claim(document := await self.next()):
                pass
        return document

    async def ends(self) -> None:
        """Passes once the instance has ended the stream."""
        async with asyncio.timeout(PATIENCE_S):
            with suppress(StopAsyncIteration):
                while True:
                    await self.next()


@dataclass
class Live:
    """A running instance, its gateway's keys and its admin's client."""

    app: Litestar
    server: Uvicorn
    admin: httpx.AsyncClient
    clock: SetClock
    filled: FilledHome

    @property
    def db(self) -> Db:
        opened: Db = self.app.state.db
        return opened

    def assertion(self, keys: GatewayKeys | None = None, **claims: Any) -> dict[str, str]:
        text = (keys or self.filled.keys).assertion(
            self.filled.instance_id, now=self.clock.now, **claims
        )
        return {"Authorization": f"Bearer {text}"}

    @asynccontextmanager
    async def stream(
        self, keys: GatewayKeys | None = None, *, after: FeedDocument | None = None, **claims: Any
    ) -> AsyncIterator[Reader]:
        """The feed from what that document says, or all of it."""
        public = Ed25519PublicKey.from_public_bytes(decoded(await self.db.read(feed_public_key)))
        position = {} if after is None else {"epoch": after.epoch, "sequence": after.sequence}
        client = httpx.AsyncClient(
            base_url=self.admin.base_url, trust_env=False, timeout=PATIENCE_S
        )
        headers = self.assertion(keys, **claims)
        async with (
            client,
            client.stream("GET", STREAM_PATH, params=position, headers=headers) as answer,
        ):
            assert answer.status_code == 200
            assert answer.headers["content-type"] == "application/x-ndjson"
            yield Reader(answer.aiter_lines(), public)

    async def change_model(self, **fields: Any) -> None:
        """The admin changes the one model that there is from the start."""
        changed = await self.admin.put("/api/v4/ai/self_hosted_models/1", json=fields)
        assert changed.status_code == 200


@asynccontextmanager
async def an_instance(filled: FilledHome) -> AsyncIterator[Live]:
    """Serves an instance that was filled; it is stopped with the block."""
    clock = SetClock()
    app = create_app(filled.settings(), clock=clock)
    config = uvicorn.Config(
        app, lifespan="on", log_config=None, access_log=False, timeout_graceful_shutdown=20
    )
    server = Uvicorn(config, on_shutdown=app.state.let_go)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(PATIENCE_S):
            while not server.started:
                await asyncio.sleep(0.01)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        token = {"PRIVATE-TOKEN": filled.secret("token")}
        try:
            async with httpx.AsyncClient(base_url=url, headers=token, trust_env=False) as admin:
                yield Live(app, server, admin, clock, filled)
        finally:
            server.should_exit = True
            await serving


@pytest.fixture
async def live(filled: FilledHome) -> AsyncIterator[Live]:
    async with an_instance(filled) as running:
        yield running
