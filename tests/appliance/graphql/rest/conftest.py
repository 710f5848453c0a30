"""A running instance that sockets can be opened to, and what is said over them."""

import asyncio
import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import httpx
import pytest
import uvicorn
from litestar import Litestar
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed
from websockets.typing import Origin, Subprotocol

from appliance.ai_actions.rules import Message, Request
from appliance.ai_actions.usecases import Deliveries
from appliance.app import MAX_BODY_BYTES, create_app
from appliance.graphql.rest import Sockets
from appliance.serving import Server
from appliance.storage.engine import Db
from tests.appliance.conftest import FilledHome
from tests.instance_builders import NOW, SetClock

PATIENCE_S = 10.0
OWN_ORIGIN = "https://casemate.example.org:8443"
FIELDS = "id requestId content role chunkId errors"
LISTEN = f"""subscription ($userId: UserID, $aiAction: AiAction, $own: String) {{
  aiCompletionResponse(userId: $userId, aiAction: $aiAction, clientSubscriptionId: $own) {{
    {FIELDS} }} }}"""
ME = {"userId": "gid://gitlab/User/1", "aiAction": "CHAT"}


def a_request(**changes: Any) -> Request:
    fields: dict[str, Any] = {
        "id": 1,
        "uid": "11111111-1111-4111-8111-111111111111",
        "action": "chat",
        "user_id": 1,
        "credential_id": 1,
        "client_ip": "127.0.0.1",
        "inputs": {"content": "x"},
        "resource": None,
        "project_id": None,
        "namespace_id": None,
        "thread_id": None,
        "client_subscription_id": None,
        "state": "running",
        "attempt": 1,
        "created_at": NOW,
    }
    return Request(**{**fields, **changes})


@dataclass
class Client:
    """One open socket, read frame by frame."""

    socket: ClientConnection

    async def say(self, frame: Mapping[str, Any] | str | bytes) -> None:
        """A frame of JSON, or whatever else."""
        await self.socket.send(json.dumps(frame) if isinstance(frame, Mapping) else frame)

    async def next(self) -> Any:
        """The next frame that is no ping."""
        async with asyncio.timeout(PATIENCE_S):
            while (frame := json.loads(await self.socket.recv())).get("type") == "ping":
                pass
        return frame

    async def closed(self) -> tuple[int | None, str]:
        """With which code and reason it was closed; what is said before is passed over."""
        try:
            async with asyncio.timeout(PATIENCE_S):
                while True:
                    await self.socket.recv()
        except ConnectionClosed as end:
            return (end.rcvd.code, end.rcvd.reason) if end.rcvd else (None, "")


@dataclass
class Live:
    """A running instance and its admin's token."""

    app: Litestar
    server: Server
    port: int
    clock: SetClock
    filled: FilledHome

    @property
    def db(self) -> Db:
        opened: Db = self.app.state.db
        return opened

    def given(self, name: str) -> Any:
        """What the application hands to its routes under that name."""
        provide: Any = self.app.dependencies[name]
        return provide.dependency()

    @property
    def deliveries(self) -> Deliveries:
        found: Deliveries = self.given("deliveries")
        return found

    def set_times(self, **seconds: float) -> None:
        sockets: Sockets = self.given("sockets")
        sockets.times = replace(sockets.times, **seconds)

    def deliver(self, content: str, *, chunk: int | None = None, **request: Any) -> int:
        message = Message(
            uid="m",
            request_uid="r",
            role="ASSISTANT",
            timestamp=NOW,
            content=content,
            chunk_id=chunk,
        )
        return self.deliveries.deliver(a_request(**request), message)

    async def until(self, claim: Callable[[], object]) -> None:
        async with asyncio.timeout(PATIENCE_S):
            while not claim():
                await asyncio.sleep(0.005)

    async def listeners(self, count: int) -> None:
        """Returns once there are so many."""
        await self.until(lambda: self.deliveries.count == count)

    @asynccontextmanager
    async def open(
        self,
        path: str,
        *protocols: str,
        pat: str | None = None,
        origin: str | None = None,
        headers: Mapping[str, str] | None = None,
        has_room: bool = True,
    ) -> AsyncIterator[Client]:
        """A socket with the admin's token, or with `pat`; "" for none at all.

        Without `has_room` it is soon full of what nobody reads.
        """
        connected = socket.socket()
        if not has_room:
            connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        connected.setblocking(False)
        await asyncio.get_running_loop().sock_connect(connected, ("127.0.0.1", self.port))
        text = self.filled.secret("token") if pat is None else pat
        async with connect(
            f"ws://127.0.0.1:{self.port}{path}",
            subprotocols=[Subprotocol(each) for each in protocols] or None,
            origin=None if origin is None else Origin(origin),
            additional_headers={
                **({"Authorization": f"Bearer {text}"} if text else {}),
                **(headers or {}),
            },
            proxy=None,
            sock=connected,
            open_timeout=PATIENCE_S,
        ) as opened:
            yield Client(opened)

    def http(self) -> httpx.AsyncClient:
        """A client with the admin's token."""
        return httpx.AsyncClient(
            base_url=f"http://127.0.0.1:{self.port}",
            headers={"PRIVATE-TOKEN": self.filled.secret("token")},
            trust_env=False,
            timeout=PATIENCE_S,
        )


@asynccontextmanager
async def served(app: Litestar) -> AsyncIterator[tuple[Server, int]]:
    """Serves an application as `python -m appliance` does."""
    config = uvicorn.Config(
        app,
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=5,
        ws="websockets-sansio",
        ws_max_size=MAX_BODY_BYTES,
        ws_per_message_deflate=False,
    )
    server = Server(config, on_shutdown=app.state.let_go)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(PATIENCE_S):
            while not server.started:
                await asyncio.sleep(0.01)
        try:
            yield server, listener.getsockname()[1]
        finally:
            server.should_exit = True
            await serving


@pytest.fixture
async def live(filled: FilledHome) -> AsyncIterator[Live]:
    clock = SetClock()
    app = create_app(filled.settings(instance_public_url=OWN_ORIGIN), clock=clock)
    async with served(app) as (server, port):
        yield Live(app, server, port, clock, filled)
