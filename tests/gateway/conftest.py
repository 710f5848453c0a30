"""A gateway on a real socket, between a fake instance and a fake model endpoint."""

import asyncio
import socket
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
import uvloop

from gateway.app import create_app
from gateway.edge.metrics import Metrics
from gateway.issuer.identity import Identity, make_identity
from gateway.issuer.pins import Pin, save_pin
from gateway.settings import Settings
from tests.builders import (
    INSTANCE_ID,
    ISSUER,
    MODEL_API_KEY,
    a_feed_key,
    a_feed_model,
    a_token,
    base64url,
)
from tests.fakes.instance import FakeInstance
from tests.fakes.model_endpoint import FakeModelEndpoint


class RunningGateway:
    """What a test needs of one gateway: its address, a client, its metrics."""

    def __init__(self, url: str, metrics: Metrics) -> None:
        self.url = url
        self.metrics = metrics
        # No TLS is spoken, and a client by itself would read 140 authorities first.
        nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self.http = httpx.AsyncClient(base_url=url, trust_env=False, timeout=10, verify=nobody)

    def counted(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(f"casemate_gateway_{name}", labels) or 0.0

    async def wait_until_ready(self) -> None:
        async with asyncio.timeout(30):
            while (await self.http.get("/monitoring/ready")).status_code != 200:
                await asyncio.sleep(0.02)

    async def catch_up(self, instance: FakeInstance) -> None:
        """Waits until everything that the instance has fed is taken over."""
        await eventually(lambda: self.counted("feed_sequence") == instance.sequence)

    async def chat(self, token: str | None = None, **changes: Any) -> httpx.Response:
        body = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}], **changes}
        headers = {"Authorization": f"Bearer {a_token() if token is None else token}"}
        return await self.http.post("/v1/chat/completions", json=body, headers=headers)


async def eventually(claim: Callable[[], Any], within_s: float = 20.0) -> None:
    """Waits until the claim holds; fails when it does not in time."""
    async with asyncio.timeout(within_s):
        while not claim():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def a_gateway(
    settings: Settings, *, until_ready: bool = True, clock: Callable[[], float] = time.time
) -> AsyncIterator[RunningGateway]:
    metrics = Metrics()
    config = uvicorn.Config(
        create_app(settings, metrics, clock=clock),
        interface="asgi3",
        lifespan="on",
        log_config=None,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        await eventually(lambda: server.started or serving.done())
        running = RunningGateway(f"http://127.0.0.1:{listener.getsockname()[1]}", metrics)
        try:
            async with running.http:
                if until_ready:
                    await running.wait_until_ready()
                yield running
        finally:
            server.should_exit = True
            await serving


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The gateway is tested on the loop that it serves on."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(autouse=True)
def one_authority_here(one_authority: None) -> None:
    """No gateway is made with a machine's own authorities."""


@pytest.fixture
def identity(tmp_path: Path) -> Identity:
    return make_identity(tmp_path / "gateway")


@pytest.fixture
async def endpoint() -> AsyncIterator[FakeModelEndpoint]:
    fake = FakeModelEndpoint()
    fake.api_key = MODEL_API_KEY
    await fake.start()
    yield fake
    await fake.stop()


@pytest.fixture
async def instance(identity: Identity, endpoint: FakeModelEndpoint) -> AsyncIterator[FakeInstance]:
    fake = FakeInstance(identity)
    await fake.start()
    fake.serve(a_feed_model(endpoint=endpoint.url))
    yield fake
    await fake.stop()


@pytest.fixture
def settings(tmp_path: Path, instance: FakeInstance) -> Settings:
    """Settings of a registered gateway that is quick to notice changes."""
    pin = Pin(
        instance_id=INSTANCE_ID,
        feed_key=base64url(a_feed_key().public_key().public_bytes_raw()),
        issuer=ISSUER,
        instance_url=instance.url,
    )
    save_pin(tmp_path / "gateway", pin)
    return Settings(
        home=tmp_path,
        feed_interval=timedelta(seconds=0.05),
        usage_interval=timedelta(seconds=0.05),
        key_set_cool_down=timedelta(seconds=0.2),
        max_body_bytes=64 * 1024,
    )


@pytest.fixture
async def gateway(settings: Settings) -> AsyncIterator[RunningGateway]:
    async with a_gateway(settings) as running:
        yield running
