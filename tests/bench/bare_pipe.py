"""Passes bytes between two sockets and does nothing else: what any proxy on this machine costs.

`python -m tests.bench.bare_pipe PORT UPSTREAM_PORT` runs on the same loop as the gateway, and reads
no HTTP: one connection to the upstream for each that comes in.
"""

import asyncio
import sys
from typing import cast

import uvloop


class Upstream(asyncio.Protocol):
    """The side of the upstream."""

    def __init__(self, client: asyncio.Transport) -> None:
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self._client.close()


class Client(asyncio.Protocol):
    """The side of the client; what comes before the upstream is there waits."""

    def __init__(self, upstream_port: int) -> None:
        self._upstream_port = upstream_port
        self._waiting = b""
        self._upstream: asyncio.Transport | None = None
        self._connecting: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        client = cast("asyncio.Transport", transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect(client))

    async def _connect(self, client: asyncio.Transport) -> None:
        self._upstream, _ = await asyncio.get_running_loop().create_connection(
            lambda: Upstream(client), "127.0.0.1", self._upstream_port
        )
        self._upstream.write(self._waiting)

    def data_received(self, data: bytes) -> None:
        if self._upstream is None:
            self._waiting += data
        else:
            self._upstream.write(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        if self._upstream is not None:
            self._upstream.close()


async def serve(port: int, upstream_port: int) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Client(upstream_port), "127.0.0.1", port)
    async with server:
        await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), int(sys.argv[2])))
