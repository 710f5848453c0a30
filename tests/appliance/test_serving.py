import asyncio
import json
import resource
import signal
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any

import httpx
import uvicorn
from websockets.sync.client import connect
from websockets.typing import Origin

from appliance.serving import UNTAKEN_MS, Server, allow_many_connections
from gateway.contract.feed import STREAM_PATH
from tests.appliance.conftest import FilledHome
from tests.appliance.test_main import _start
from tests.conftest import a_free_port, wait_until


async def _answer(scope: Any, receive: Any, send: Any) -> None:
    del receive
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})


@asynccontextmanager
async def _serving(server: Server) -> AsyncIterator[int]:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        serving = asyncio.create_task(server.serve(sockets=[listener]))
        async with asyncio.timeout(5):
            while not server.started:
                await asyncio.sleep(0.01)
        yield listener.getsockname()[1]
        server.should_exit = True
        await serving


async def test_a_connection_breaks_when_nothing_is_taken_and_the_end_is_told() -> None:
    told: list[str] = []
    config = uvicorn.Config(_answer, lifespan="off", log_config=None)

    async def tell() -> None:
        told.append("told")

    server = Server(config, on_shutdown=tell)
    async with _serving(server) as port:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        async with asyncio.timeout(5):
            while not server.server_state.connections:
                await asyncio.sleep(0.01)
        (connection,) = server.server_state.connections
        accepted = connection.transport.get_extra_info("socket")
        assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == UNTAKEN_MS
        assert told == []
        writer.close()
    assert told == ["told"]


def test_there_may_be_as_many_connections_as_the_system_lets_it_have() -> None:
    before, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(before, 1024), most))
    try:
        allow_many_connections()
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (most, most)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (before, most))


def test_an_instance_with_an_open_stream_stops_when_told(filled: FilledHome) -> None:
    port = a_free_port()
    assertion = filled.keys.assertion(filled.instance_id, now=datetime.now(UTC))
    with (
        _start(filled, port, a_free_port()) as process,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        wait_until(lambda: client.get("/-/readiness").is_success)
        headers = {"Authorization": f"Bearer {assertion}"}
        with client.stream("GET", STREAM_PATH, headers=headers) as answer:
            lines = answer.iter_lines()
            next(lines)
            began = time.monotonic()
            process.send_signal(signal.SIGTERM)
            for _ in lines:
                pass
        output = process.communicate(timeout=15)[0]
    # Without having to be cut off, which the server does after three seconds.
    assert "graceful shutdown exceeded" not in output
    assert time.monotonic() - began < 10
    assert process.returncode in {0, -signal.SIGTERM}


def test_a_client_of_the_cable_is_told_when_the_instance_stops(filled: FilledHome) -> None:
    port = a_free_port()
    url = f"http://127.0.0.1:{port}"
    with _start(filled, port, a_free_port()) as process:
        wait_until(lambda: httpx.get(f"{url}/-/readiness", trust_env=False).is_success)
        with connect(
            f"ws://127.0.0.1:{port}/-/cable?private_token=secret",
            origin=Origin(url),
            additional_headers={"PRIVATE-TOKEN": filled.secret("token")},
            proxy=None,
        ) as cable:
            assert json.loads(cable.recv()) == {"type": "welcome"}
            assert cable.response is not None
            assert "sec-websocket-extensions" not in cable.response.headers
            process.send_signal(signal.SIGTERM)
            while (frame := json.loads(cable.recv(timeout=10)))["type"] == "ping":
                pass
        output = process.communicate(timeout=15)[0]
    assert frame == {"type": "disconnect", "reason": "server_restart", "reconnect": True}
    assert "graceful shutdown exceeded" not in output
    # Nothing of a single socket stands in the log, least of all what was asked for.
    assert "secret" not in output
    assert "connection" not in output
