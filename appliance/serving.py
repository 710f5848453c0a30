"""The server that the instance runs in: it lets go of streams when it stops, and of the lost."""

import resource
import socket
from collections.abc import Awaitable, Callable

import uvicorn

# A machine that vanished says nothing any more: what was sent to it is not waited for without end.
UNTAKEN_MS = 15_000


def allow_many_connections() -> None:
    """Lets this process have as many open files as it may, where many systems begin with 1,024.

    Each who waits for an answer is one.
    """
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


class Server(uvicorn.Server):
    """Calls `on_shutdown` before it waits for connections to end: streams would not by themselves.

    On Linux a connection breaks when its other side has taken nothing for 15 seconds.
    """

    def __init__(
        self, config: uvicorn.Config, *, on_shutdown: Callable[[], Awaitable[None]]
    ) -> None:
        super().__init__(config)
        self._on_shutdown = on_shutdown

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begins to listen."""
        await super().startup(sockets)
        for listener in (each for server in self.servers for each in server.sockets):
            # Each connection has it from the socket that it came in by.
            listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, UNTAKEN_MS)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Ends."""
        await self._on_shutdown()
        await super().shutdown(sockets)
