"""The way out: a guard that reaches only configured names at allowed addresses."""

import asyncio
import socket
import ssl
from collections.abc import Awaitable, Callable, Iterable, Sequence
from types import SimpleNamespace
from typing import Any

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult

from gateway.contract.addresses import Network
from gateway.contract.egress import EgressPolicy, EgressRefusedError, Reason, is_written_out
from gateway.contract.ledger import Attempt, What
from gateway.contract.recorder import EgressRecorder

# Below the 5 s after which uvicorn, and so vLLM, drops an idle connection.
KEEP_ALIVE_S = 4.0
RESOLVED_FOR_S = 10.0
RESOLVE_TIMEOUT_S = 3.0

# As `socket.getaddrinfo` gives them: family, type, protocol, name, address.
AddressInfo = tuple[int, int, int, str, tuple[Any, ...]]
LookUp = Callable[[str, int], Awaitable[Sequence[AddressInfo]]]

log = structlog.get_logger()


async def look_up(host: str, port: int) -> Sequence[AddressInfo]:
    """All addresses of a host, by the system's resolver in a thread."""
    loop = asyncio.get_running_loop()
    return await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)


class EgressGuard:
    """Knows the hosts that are configured and the networks that are allowed.

    `on_refused` is called for each refused attempt, None: whoever asked is told, and nobody else.
    `recorder` hears which sockets are the guard's.
    """

    def __init__(
        self,
        networks: Iterable[Network],
        *,
        on_refused: Callable[[Reason], None] | None,
        recorder: EgressRecorder | None = None,
        look_up: LookUp = look_up,
        resolve_timeout_s: float = RESOLVE_TIMEOUT_S,
    ) -> None:
        self._policy = EgressPolicy(tuple(networks))
        self._on_refused = on_refused
        self._recorder = recorder
        self._look_up = look_up
        self._resolve_timeout_s = resolve_timeout_s
        self._pinned: dict[tuple[str, int], tuple[float, Sequence[AddressInfo]]] = {}
        self._asked: dict[tuple[str, int], asyncio.Future[Sequence[AddressInfo]]] = {}

    def configure(self, hosts: Iterable[str]) -> None:
        """Sets the host names that may be resolved; addresses written out need no name."""
        self._policy = self._policy.with_hosts(hosts)
        self._pinned.clear()

    def aside(self, host: str) -> "EgressGuard":
        """A guard of its own for one more host, at the same networks; this one stays as it is.

        What it refuses is no attempt to get out, but an answer to an admin who asked.
        """
        made = EgressGuard(
            self._policy.networks,
            on_refused=None,
            recorder=self._recorder,
            look_up=self._look_up,
            resolve_timeout_s=self._resolve_timeout_s,
        )
        made.configure([host])
        # Still one question at a time for each name.
        made._asked = self._asked
        return made

    @property
    def networks(self) -> tuple[Network, ...]:
        """Where anything may lie that is connected to."""
        return self._policy.networks

    async def resolve(self, host: str, port: int) -> Sequence[AddressInfo]:
        """The addresses of `host`, checked; for `RESOLVED_FOR_S` the name means no others.

        Raises:
            EgressRefusedError: not a configured name, or one of its addresses may not be reached.
            OSError: it has no address, or nobody said so in time.
        """
        try:
            if is_written_out(host):
                self._policy.check_address(host)
                return _numeric(host, port)
            self._policy.check_host(host)
            until, pinned = self._pinned.get((host, port), (0.0, ()))
            now = asyncio.get_running_loop().time()
            if now < until:
                return pinned
            found = await self._answers(host, port)
            self._policy.pin(host, [str(info[4][0]) for info in found])
        except EgressRefusedError as error:
            self._note(error, Attempt(what=What.LOOK_UP, host=host, port=port))
            raise
        self._pinned[host, port] = (now + RESOLVED_FOR_S, found)
        return found

    async def _answers(self, host: str, port: int) -> Sequence[AddressInfo]:
        # One question at a time for each name: a resolver that hangs holds one thread, not all.
        asked = self._asked.get((host, port))
        if asked is None:
            asked = asyncio.ensure_future(self._look_up(host, port))
            self._asked[host, port] = asked
            asked.add_done_callback(lambda done: self._answered((host, port), done))
        try:
            async with asyncio.timeout(self._resolve_timeout_s):
                return await asyncio.shield(asked)
        except TimeoutError as cause:
            sentence = f"The name {host} was not resolved within {self._resolve_timeout_s} s."
            raise OSError(sentence) from cause

    def _answered(
        self, name: tuple[str, int], asked: asyncio.Future[Sequence[AddressInfo]]
    ) -> None:
        del self._asked[name]
        if not asked.cancelled():
            # Whoever asked may have given up by now.
            asked.exception()

    def forget(self, host: str, port: int) -> None:
        """Resolves the name anew the next time: nothing answered at its addresses."""
        self._pinned.pop((host, port), None)

    def open_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """A socket for exactly the address that was checked; EgressRefusedError otherwise."""
        family, kind, protocol, _, address = info
        try:
            self._policy.check_address(str(address[0]))
        except EgressRefusedError as error:
            self._note(error, Attempt(what=What.CONNECT, host=str(address[0]), port=address[1]))
            raise
        opened = socket.socket(family, kind, protocol)
        if self._recorder is not None:
            self._recorder.let_through(opened, str(address[0]))
        return opened

    def _note(self, error: EgressRefusedError, attempt: Attempt) -> None:
        """Counts, logs and keeps a refused attempt."""
        if self._on_refused is None:
            return
        self._on_refused(error.reason)
        if self._recorder is not None:
            self._recorder.keep(attempt)
        log.error("egress_refused", reason=error.reason, sentence=error.sentence)


def _numeric(host: str, port: int) -> Sequence[AddressInfo]:
    flags = socket.AI_NUMERICHOST
    return socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM, flags=flags)


class GuardedResolver(AbstractResolver):
    """What the guard resolves, for aiohttp; it caches nothing itself."""

    def __init__(self, guard: EgressGuard) -> None:
        self._guard = guard

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """The addresses of `host`; each is checked again when its socket is opened."""
        return [
            ResolveResult(
                hostname=host,
                host=str(info[4][0]),
                port=port,
                family=info[0],
                proto=info[2],
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for info in await self._guard.resolve(host, port)
            if family in {socket.AF_UNSPEC, info[0]}
        ]

    async def close(self) -> None:
        """Nothing is kept open."""


class RedirectRefusedError(aiohttp.ClientError):
    """An answer sends us elsewhere; the configured address is the only one that is asked."""


def _refused_redirects() -> aiohttp.TraceConfig:
    async def refuse(
        _: aiohttp.ClientSession,
        __: SimpleNamespace,
        params: aiohttp.TraceRequestRedirectParams,
    ) -> None:
        message = f"{params.url.host} answered with a redirect ({params.response.status})"
        raise RedirectRefusedError(message)

    trace = aiohttp.TraceConfig()
    trace.on_request_redirect.append(refuse)
    return trace


def open_session(
    guard: EgressGuard, *, connect_timeout_s: float, trusted: ssl.SSLContext | None = None
) -> aiohttp.ClientSession:
    """The one client that the gateway calls anything with.

    No redirects, no proxy from the environment, no cookies, no decompression (bytes pass as they
    come), no limit on connections; `connect_timeout_s` bounds the connection only. `trusted` as for
    `Client`.
    """
    connector = aiohttp.TCPConnector(
        limit=0,
        resolver=GuardedResolver(guard),
        use_dns_cache=False,
        keepalive_timeout=KEEP_ALIVE_S,
        socket_factory=guard.open_socket,
        ssl=trusted or True,
    )
    return aiohttp.ClientSession(
        connector=connector,
        trust_env=False,
        trace_configs=[_refused_redirects()],
        auto_decompress=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_timeout_s),
        skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept"),
        requote_redirect_url=False,
    )
