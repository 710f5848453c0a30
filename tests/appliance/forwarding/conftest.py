import asyncio
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from litestar import Litestar

from appliance.app import create_app
from appliance.storage.engine import Db
from tests.appliance.conftest import FilledHome
from tests.fakes.gateway import FakeGateway
from tests.instance_builders import SetClock

PATIENCE_S = 60
CHAT = {"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}


@dataclass
class Forwarding:
    """An instance that is served on a port, and the fake gateway that it hands requests to."""

    app: Litestar
    client: httpx.AsyncClient
    clock: SetClock
    gateway: FakeGateway

    @property
    def db(self) -> Db:
        opened: Db = self.app.state.db
        return opened

    async def token(self, pat: str | None = None, **wish: Any) -> str:
        headers = {} if pat is None else {"PRIVATE-TOKEN": pat}
        path = "/api/v4/ai/access_tokens"
        answer = await self.client.post(path, headers=headers, json=wish or None)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["token"])

    async def ask(self, token: str, **rest: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}", **rest.pop("headers", {})}
        rest = rest or {"json": CHAT}
        return await self.client.post("/api/v4/ai/requests", headers=headers, **rest)


@pytest.fixture
async def fake_gateway() -> AsyncIterator[FakeGateway]:
    gateway = FakeGateway()
    await gateway.start()
    yield gateway
    await gateway.stop()


@pytest.fixture
async def forwarding(filled: FilledHome, fake_gateway: FakeGateway) -> AsyncIterator[Forwarding]:
    clock = SetClock()
    app = create_app(
        filled.settings(
            ai_gateway_url=fake_gateway.url,
            trusted_proxies=["127.0.0.1/32"],
            max_body_bytes=2 * 1024 * 1024,
        ),
        clock=clock,
    )
    server = uvicorn.Server(
        uvicorn.Config(app, lifespan="on", log_config=None, timeout_graceful_shutdown=1)
    )
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(PATIENCE_S):
            while not server.started:
                await asyncio.sleep(0.01)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        token = {"PRIVATE-TOKEN": filled.secret("token")}
        limits = httpx.Limits(max_connections=None)
        async with httpx.AsyncClient(
            base_url=url, headers=token, trust_env=False, limits=limits, timeout=PATIENCE_S
        ) as client:
            yield Forwarding(app, client, clock, fake_gateway)
        server.should_exit = True
        await serving
