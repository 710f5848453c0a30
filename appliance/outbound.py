"""The way out of the instance: a client that reaches the gateway, and nothing else."""

import asyncio
import socket
import ssl
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    asynccontextmanager,
    contextmanager,
    nullcontext,
)
from dataclasses import dataclass
from io import BytesIO
from typing import Protocol
from urllib.parse import urlsplit

import aiohttp
import structlog
from aiohttp.abc import AbstractResolver, ResolveResult

from appliance.errors import ApplianceError
from gateway.contract.egress import EgressPolicy, EgressRefusedError, Reason, folded_host
from gateway.contract.ledger import Attempt, What

# Below the 5 s after which uvicorn drops an idle connection.
KEEP_ALIVE_S = 4.0
# Counts what a burst of other requests takes meanwhile, which says nothing of the one asked.
CONNECT_TIMEOUT_S = 10.0
RESOLVE_TIMEOUT_S = 3.0
# A gateway on another machine that is cut off must not hold a request for long.
ASKED_ONCE_TIMEOUT_S = 5.0

log = structlog.get_logger()


class UnreachableError(ApplianceError):
    """There was no answer; `reason` is a few words, free of addresses."""

    code = "gateway_unavailable"

    def __init__(self, reason: str) -> None:
        super().__init__("The AI gateway cannot be reached right now; try again in a moment.")
        self.reason = reason


class Recorder(Protocol):
    """Hears which sockets were opened and which names looked up on purpose."""

    def let_through(self, opened: socket.socket, address: str) -> None:
        """This socket was."""

    def looking_up(self, host: str) -> AbstractContextManager[None]:
        """This name is, in the block."""

    def keep(self, attempt: Attempt) -> None:
        """This was refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A whole, short answer."""

    status: int
    body: bytes


class Outbound:
    """One pool of connections; only the host of a request that is under way can be resolved.

    No redirects, no proxy, no cookies; bytes come as they were sent. The addresses of a name are
    all checked, and those that were checked are connected to. `on_refused` is called for each
    attempt that was refused. `trusted` is whom it believes; None: the system's authorities.
    """

    def __init__(
        self,
        policy: EgressPolicy,
        *,
        trusted: ssl.SSLContext | None = None,
        on_refused: Callable[[Reason], None] = lambda _: None,
        recorder: Recorder | None = None,
    ) -> None:
        self._policy = policy
        self._trusted = trusted
        self._on_refused = on_refused
        self._recorder = recorder
        self._hosts: Counter[str] = Counter()
        self._session: aiohttp.ClientSession | None = None

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Holds the connections for as long as the instance serves."""
        connector = aiohttp.TCPConnector(
            limit=0,
            resolver=_Resolver(self),
            use_dns_cache=False,
            keepalive_timeout=KEEP_ALIVE_S,
            socket_factory=self.open_socket,
            ssl=self._trusted or True,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            trust_env=False,
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Accept-Encoding", "Accept"),
            requote_redirect_url=False,
        )
        async with self._session:
            yield
        self._session = None

    async def ask(
        self,
        url: str,
        body: bytes,
        *,
        limit_bytes: int,
        authorization: str | None = None,
        patience_s: float = ASKED_ONCE_TIMEOUT_S,
    ) -> Reply:
        """Posts JSON once, within a few seconds, or within `patience_s`.

        Raises:
            UnreachableError: there was no answer, or one that is too long.
        """
        headers = {"content-type": "application/json"}
        if authorization is not None:
            headers["authorization"] = authorization
        post = self.post(url, body, headers=headers, silence_s=None)
        return await _whole(post, limit_bytes=limit_bytes, patience_s=patience_s)

    async def get(self, url: str, *, limit_bytes: int) -> Reply:
        """Gets what lies there, within a few seconds.

        Raises:
            UnreachableError: there was no answer, or one that is too long.
        """
        get = self._request("GET", url, None, headers={}, silence_s=None)
        return await _whole(get, limit_bytes=limit_bytes)

    def post(
        self, url: str, body: bytes, *, headers: Mapping[str, str], silence_s: float | None
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Posts; the answer's head is there, its body can be read as it comes.

        `silence_s` is how long the other side may say nothing. Leaving the block early drops the
        connection, so that the other side notices.

        Raises:
            UnreachableError: there was no answer.
        """
        return self._request("POST", url, body, headers=headers, silence_s=silence_s)

    @asynccontextmanager
    async def _request(
        self,
        method: str,
        url: str,
        body: bytes | None,
        *,
        headers: Mapping[str, str],
        silence_s: float | None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        assert self._session is not None  # noqa: S101  # opened by the lifespan
        timeout = aiohttp.ClientTimeout(
            total=None, sock_connect=CONNECT_TIMEOUT_S, sock_read=silence_s
        )
        with self._reaching(url):
            try:
                # As a file, a long body goes out in parts, between which others get their turn.
                answer = await self._session.request(
                    method,
                    url,
                    data=None if body is None else BytesIO(body),
                    headers=headers,
                    timeout=timeout,
                    allow_redirects=False,
                )
            except TimeoutError as cause:
                raise UnreachableError(reason="no answer in time") from cause
            except EgressRefusedError as cause:
                raise UnreachableError(reason="the address is not allowed") from cause
            except (aiohttp.ClientError, OSError, ValueError) as cause:
                # The library's texts name the address.
                raise UnreachableError(reason=type(cause).__name__) from cause
        try:
            yield answer
        finally:
            if answer.content.at_eof():
                answer.release()
            else:
                answer.close()

    @contextmanager
    def _reaching(self, url: str) -> Iterator[None]:
        host = folded_host(urlsplit(url).hostname or "")
        self._hosts[host] += 1
        try:
            yield
        finally:
            self._hosts[host] -= 1

    def open_socket(self, info: aiohttp.AddrInfoType) -> socket.socket:
        """A socket for exactly the address that was checked.

        Raises:
            EgressRefusedError: it lies outside the networks; also one that is written in the URL.
        """
        family, kind, protocol, _, address = info
        try:
            self._policy.check_address(str(address[0]))
        except EgressRefusedError as error:
            host, port = address[:2]
            self.note(error, Attempt(what=What.CONNECT, host=str(host), port=port))
            raise
        opened = socket.socket(family, kind, protocol)
        if self._recorder is not None:
            self._recorder.let_through(opened, str(address[0]))
        return opened

    async def resolve(
        self, host: str, look_up: Callable[[], Awaitable[list[ResolveResult]]]
    ) -> list[ResolveResult]:
        """The answers to `look_up`, when all of them may be connected to.

        Raises:
            EgressRefusedError: nobody asked for the host, or one of them lies outside.
            OSError: there is no answer in time.
        """
        policy = self._policy.with_hosts(name for name, count in self._hosts.items() if count > 0)
        try:
            policy.check_host(host)
            with self._recorder.looking_up(host) if self._recorder else nullcontext():
                async with asyncio.timeout(RESOLVE_TIMEOUT_S):
                    answers = await look_up()
            policy.pin(host, [answer["host"] for answer in answers])
        except EgressRefusedError as error:
            self.note(error, Attempt(what=What.LOOK_UP, host=host))
            raise
        except TimeoutError as cause:
            sentence = f"The name {host} was not resolved in time."
            raise OSError(sentence) from cause
        return answers

    def note(self, error: EgressRefusedError, attempt: Attempt) -> None:
        """Counts, logs and keeps a refused attempt."""
        self._on_refused(error.reason)
        if self._recorder is not None:
            self._recorder.keep(attempt)
        log.error("egress_refused", reason=error.reason, sentence=error.sentence)


async def _whole(
    request: AbstractAsyncContextManager[aiohttp.ClientResponse],
    *,
    limit_bytes: int,
    patience_s: float = ASKED_ONCE_TIMEOUT_S,
) -> Reply:
    try:
        async with asyncio.timeout(patience_s), request as answer:
            read = await answer.content.read(limit_bytes + 1)
            while len(read) <= limit_bytes and not answer.content.at_eof():
                read += await answer.content.read(limit_bytes + 1 - len(read))
    except TimeoutError as cause:
        raise UnreachableError(reason="no answer in time") from cause
    except aiohttp.ClientError as cause:
        raise UnreachableError(reason="the answer broke off") from cause
    if len(read) > limit_bytes:
        raise UnreachableError(reason="the answer is too long")
    return Reply(status=answer.status, body=read)


def _look_up(host: str, port: int, family: int) -> list[ResolveResult]:
    found = socket.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)
    return [
        ResolveResult(
            hostname=host,
            host=str(address[0]),
            port=port,
            family=kind,
            proto=protocol,
            flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
        )
        for kind, _, protocol, _, address in found
    ]


class _Resolver(AbstractResolver):
    def __init__(self, outbound: Outbound) -> None:
        self._outbound = outbound

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        # In a thread that hears what the recorder was told; the event loop's own would not.
        return await self._outbound.resolve(
            host, lambda: asyncio.to_thread(_look_up, host, port, family)
        )

    async def close(self) -> None:
        """Nothing is kept open."""
