"""The client of the request path: connections to configured endpoints, kept between requests."""

import asyncio
import ssl
from collections import defaultdict
from dataclasses import dataclass
from typing import Any

from gateway.upstream.connection import BrokenOffError, Connection
from gateway.upstream.egress import KEEP_ALIVE_S, EgressGuard


class ConnectError(OSError):
    """No connection could be made."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where an endpoint listens."""

    scheme: str
    host: str
    port: int


class Client:
    """Connects through the guard; no proxy, no redirects, no cookies, bytes pass as they come.

    `connect_timeout_s` bounds the connection, TLS included, to one address. There is no limit on
    connections: who may ask how much is decided before. `trusted` knows the authorities to believe;
    None believes the system's.
    """

    def __init__(
        self,
        guard: EgressGuard,
        *,
        connect_timeout_s: float,
        trusted: ssl.SSLContext | None = None,
    ) -> None:
        self._guard = guard
        self._connect_timeout_s = connect_timeout_s
        self._loop = asyncio.get_running_loop()
        self._idle: defaultdict[Origin, list[Connection]] = defaultdict(list)
        self._trusted = trusted

    async def ask(self, origin: Origin, request: bytes) -> Connection:
        """Sends `request`; returns once the head of its answer is there.

        The caller hands the connection to `take_back`. A kept connection that the endpoint drops
        before it answers is replaced, once.

        Raises:
            OSError, TimeoutError: no connection.
            BrokenOffError: the endpoint took the request and ended the connection.
        """
        kept = self._take(origin)
        if kept is not None:
            try:
                return await self._ask(kept, request)
            except BrokenOffError:
                if kept.has_answered:
                    raise
        return await self._ask(await self._connect(origin), request)

    def take_back(self, origin: Origin, connection: Connection) -> None:
        """Keeps the connection for the next request if it can be, else drops it at once."""
        if connection.is_reusable:
            connection.idle_since = self._loop.time()
            self._idle[origin].append(connection)
        else:
            connection.close()

    async def sweep(self) -> None:
        """Drops connections that nobody asked for a while; called every second or so."""
        oldest = self._loop.time() - KEEP_ALIVE_S
        for origin in list(self._idle):
            kept = []
            for connection in self._idle[origin]:
                if connection.idle_since > oldest and connection.is_reusable:
                    kept.append(connection)
                else:
                    connection.close()
            if kept:
                self._idle[origin] = kept
            else:
                del self._idle[origin]

    def close(self) -> None:
        """Drops all kept connections."""
        for connections in self._idle.values():
            for connection in connections:
                connection.close()
        self._idle.clear()

    def _take(self, origin: Origin) -> Connection | None:
        oldest = self._loop.time() - KEEP_ALIVE_S
        kept = self._idle.get(origin)
        while kept:
            connection = kept.pop()
            if connection.is_reusable and connection.idle_since > oldest:
                return connection
            connection.close()
        return None

    @staticmethod
    async def _ask(connection: Connection, request: bytes) -> Connection:
        try:
            await connection.ask(request)
        except BaseException:  # also a cancelled task: nobody else would close it
            connection.close()
            raise
        return connection

    async def _connect(self, origin: Origin) -> Connection:
        failure: Exception | None = None
        for info in await self._guard.resolve(origin.host, origin.port):
            try:
                async with asyncio.timeout(self._connect_timeout_s):
                    return await self._connect_to(origin, info)
            except (OSError, TimeoutError) as error:
                failure = error
        self._guard.forget(origin.host, origin.port)
        said = f"{type(failure).__name__}: {failure}" if failure else "its name has no address"
        raise ConnectError(said) from failure

    async def _connect_to(self, origin: Origin, info: Any) -> Connection:
        opened = self._guard.open_socket(info)
        try:
            opened.setblocking(False)  # noqa: FBT003  # the standard library's
            await self._loop.sock_connect(opened, info[4])
            is_tls = origin.scheme == "https"
            _, connection = await self._loop.create_connection(
                lambda: Connection(self._loop),
                sock=opened,
                ssl=self._tls() if is_tls else None,
                server_hostname=origin.host if is_tls else None,
            )
        except BaseException:
            opened.close()
            raise
        return connection

    def _tls(self) -> ssl.SSLContext:
        if self._trusted is None:
            self._trusted = ssl.create_default_context()
        return self._trusted
