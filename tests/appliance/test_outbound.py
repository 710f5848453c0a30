import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from ipaddress import ip_network
from typing import Any

import pytest
from aiohttp import web
from aiohttp.abc import ResolveResult

from appliance.outbound import Outbound, UnreachableError
from gateway.contract.egress import EgressPolicy, Reason
from gateway.contract.ledger import Attempt

LOOPBACK = EgressPolicy((ip_network("127.0.0.0/8"), ip_network("::1/128")))
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def _served(handler: Handler) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_route("*", "/asked", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield runner.addresses[0][1]
    finally:
        await runner.cleanup()


@pytest.fixture
def refused() -> list[Reason]:
    return []


@pytest.fixture
async def outbound(refused: list[Reason]) -> AsyncIterator[Outbound]:
    made = Outbound(LOOPBACK, on_refused=refused.append)
    async with made.run():
        yield made


async def _echo(request: web.Request) -> web.Response:
    return web.Response(status=202, body=await request.read())


async def test_what_is_posted_is_answered(outbound: Outbound) -> None:
    async with _served(_echo) as port:
        reply = await outbound.ask(f"http://127.0.0.1:{port}/asked", b"{}", limit_bytes=10)
    assert (reply.status, reply.body) == (202, b"{}")


async def test_what_lies_somewhere_is_got_without_a_body(outbound: Outbound) -> None:
    async def there(request: web.Request) -> web.Response:
        has_body = request.can_read_body or "content-type" in request.headers
        return web.Response(text=f"{request.method} {has_body}")

    async with _served(there) as port:
        url = f"http://127.0.0.1:{port}/asked"
        reply = await outbound.get(url, limit_bytes=9)
        with pytest.raises(UnreachableError) as refusal:
            await outbound.get(url, limit_bytes=8)
    assert (reply.status, reply.body) == (200, b"GET False")
    assert refusal.value.reason == "the answer is too long"


async def test_an_answer_that_is_too_long_is_none(outbound: Outbound) -> None:
    async with _served(_echo) as port:
        with pytest.raises(UnreachableError, match="cannot be reached") as refusal:
            await outbound.ask(f"http://127.0.0.1:{port}/asked", b"x" * 11, limit_bytes=10)
    assert refusal.value.reason == "the answer is too long"


async def test_nobody_there_is_told_without_the_address(outbound: Outbound) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(UnreachableError) as refusal:
        await outbound.ask(f"http://127.0.0.1:{port}/asked", b"", limit_bytes=10)
    assert str(port) not in f"{refusal.value}{refusal.value.reason}"


async def test_a_redirect_is_an_answer_and_not_followed(outbound: Outbound) -> None:
    async def away(_: web.Request) -> web.Response:
        raise web.HTTPTemporaryRedirect("http://127.0.0.1:9/elsewhere")

    async with _served(away) as port:
        reply = await outbound.ask(f"http://127.0.0.1:{port}/asked", b"", limit_bytes=1000)
    assert reply.status == 307


async def test_an_address_outside_the_networks_is_not_connected_to(
    outbound: Outbound, refused: list[Reason]
) -> None:
    with pytest.raises(UnreachableError, match="cannot be reached"):
        await outbound.ask("http://192.0.2.1/asked", b"", limit_bytes=10)
    assert refused == [Reason.NETWORK]


async def test_one_answer_outside_refuses_the_whole_name(
    outbound: Outbound, refused: list[Reason], monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(*_: object, **__: object) -> list[Any]:
        hosts = ("127.0.0.1", "192.0.2.1")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, 80)) for host in hosts]

    monkeypatch.setattr("socket.getaddrinfo", answers)
    with pytest.raises(UnreachableError):
        await outbound.ask("http://gateway.example/asked", b"", limit_bytes=10)
    assert refused == [Reason.NETWORK]


async def test_only_a_host_that_is_being_asked_is_resolved(
    outbound: Outbound, refused: list[Reason]
) -> None:
    async def never() -> list[ResolveResult]:
        raise AssertionError

    with pytest.raises(OSError, match="not a configured host"):
        await outbound.resolve("telemetry.example", never)
    assert refused == [Reason.HOST]


async def test_what_it_does_is_told_to_the_recorder() -> None:
    heard: list[str] = []

    class Recorder:
        def let_through(self, opened: socket.socket, address: str) -> None:
            assert opened.type is socket.SOCK_STREAM
            heard.append(address)

        @contextmanager
        def looking_up(self, host: str) -> Iterator[None]:
            heard.append(host)
            yield

        def keep(self, attempt: Attempt) -> None:
            heard.append(attempt.host)

    made = Outbound(LOOPBACK, recorder=Recorder())
    async with made.run(), _served(_echo) as port:
        reply = await made.ask(f"http://localhost:{port}/asked", b"{}", limit_bytes=10)
        assert reply.status == 202
        with pytest.raises(UnreachableError):
            await made.get("http://198.51.100.7/asked", limit_bytes=10)
    assert (heard[0], *heard[-2:]) == ("localhost", "127.0.0.1", "198.51.100.7")


async def test_silence_ends_an_answer(outbound: Outbound) -> None:
    hangs = asyncio.Event()

    async def silent(_: web.Request) -> web.Response:
        await hangs.wait()
        return web.Response()

    async with _served(silent) as port:
        url = f"http://127.0.0.1:{port}/asked"
        with pytest.raises(UnreachableError) as refusal:
            async with outbound.post(url, b"", headers={}, silence_s=0.05):
                pass
        hangs.set()
    assert refusal.value.reason == "no answer in time"


async def test_a_proxy_of_the_environment_means_nothing(
    outbound: Outbound, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    async with _served(_echo) as port:
        reply = await outbound.ask(f"http://127.0.0.1:{port}/asked", b"{}", limit_bytes=10)
    assert reply.status == 202
