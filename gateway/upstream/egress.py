"""The way out: a connector that reaches only configured names at allowed addresses."""

import socket
import ssl
from collections.abc import Callable, Iterable
from ipaddress import ip_address

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.contract.addresses import Network, is_allowed

# Below the 5 s after which uvicorn, and so vLLM, drops an idle connection.
KEEP_ALIVE_S = 4.0

log = structlog.get_logger()


class EgressRefusedError(OSError):
    """A connection to somewhere that nothing configured, or outside the allowed networks."""


class EgressGuard:
    """Knows the hosts that are configured and the networks that are allowed.

    `on_refused` is called for each refused attempt.
    """

    def __init__(self, networks: Iterable[Network], *, on_refused: Callable[[], None]) -> None:
        self._networks = tuple(networks)
        self._on_refused = on_refused
        self._hosts: frozenset[str] = frozenset()

    def configure(self, hosts: Iterable[str]) -> None:
        """Sets the host names that may be resolved; addresses written out need no name."""
        self._hosts = frozenset(host.lower() for host in hosts)

    def check_host(self, host: str) -> None:
        """Passes for a configured name; EgressRefusedError otherwise."""
        if host.lower() not in self._hosts:
            self._refuse(f"{host} is not a configured host")

    def open_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """A socket for exactly the address that was checked; EgressRefusedError otherwise."""
        family, kind, protocol, _, address = info
        if not is_allowed(ip_address(str(address[0]).partition("%")[0]), self._networks):
            self._refuse(f"{address[0]} is outside the allowed networks")
        return socket.socket(family, kind, protocol)

    def _refuse(self, reason: str) -> None:
        self._on_refused()
        log.error("egress_refused", reason=reason)
        raise EgressRefusedError(reason)


class GuardedResolver(AbstractResolver):
    """Resolves configured names only, with the system's resolver in a thread."""

    def __init__(self, guard: EgressGuard) -> None:
        self._guard = guard
        self._resolver = aiohttp.ThreadedResolver()

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`; the socket is checked again when it is opened."""
        self._guard.check_host(host)
        return await self._resolver.resolve(host, port, family)

    async def close(self) -> None:
        """Nothing is kept open."""


def open_session(
    guard: EgressGuard, *, connect_timeout_s: float, trusted: ssl.SSLContext | None = None
) -> aiohttp.ClientSession:
    """The one client that the gateway calls anything with.

    No proxy from the environment, no cookies, no decompression (bytes pass as they come), no limit
    on connections; `connect_timeout_s` bounds the connection only. `trusted` as for `Client`.
    """
    connector = aiohttp.TCPConnector(
        limit=0,
        resolver=GuardedResolver(guard),
        ttl_dns_cache=10,
        keepalive_timeout=KEEP_ALIVE_S,
        socket_factory=guard.open_socket,
        ssl=trusted or True,
    )
    return aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
        skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept"),
        requote_redirect_url=False,
    )
