import asyncio
import json
import socket
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_network
from pathlib import Path

import aiohttp
import pytest

from gateway.contract.addresses import DEFAULT_NETWORKS
from gateway.contract.egress import EgressRefusedError, Reason
from gateway.contract.ledger import Ledger
from gateway.contract.recorder import EgressRecorder
from gateway.upstream.egress import (
    AddressInfo,
    EgressGuard,
    RedirectRefusedError,
    open_session,
)
from tests.fakes.model_endpoint import FakeModelEndpoint


def an_answer(*addresses: str, port: int = 80) -> Sequence[AddressInfo]:
    return [
        (
            socket.AF_INET6 if ":" in address else socket.AF_INET,
            socket.SOCK_STREAM,
            socket.IPPROTO_TCP,
            "",
            (address, port),
        )
        for address in addresses
    ]


class Names:
    """A resolver that says what it is told to, each time the next thing."""

    def __init__(self, *answers: Sequence[AddressInfo]) -> None:
        self.answers = list(answers)
        self.asked = 0

    async def look_up(self, *_: object) -> Sequence[AddressInfo]:
        self.asked += 1
        return self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]


@pytest.fixture
def refusals() -> list[Reason]:
    return []


@pytest.fixture
def guard(refusals: list[Reason]) -> EgressGuard:
    return EgressGuard(DEFAULT_NETWORKS, on_refused=refusals.append)


async def test_an_address_outside_the_allowed_networks_is_never_dialled(
    guard: EgressGuard, refusals: list[Reason]
) -> None:
    async with open_session(guard, connect_timeout_s=1) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get("http://198.51.100.7/")
    assert refusals == [Reason.NETWORK]


async def test_a_name_that_nothing_configured_is_not_resolved(
    guard: EgressGuard, refusals: list[Reason]
) -> None:
    async with open_session(guard, connect_timeout_s=1) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get("http://telemetry.example/")
    assert refusals == [Reason.HOST]


async def test_a_configured_name_reaches_an_allowed_address(
    guard: EgressGuard, endpoint: FakeModelEndpoint
) -> None:
    guard.configure(["localhost"])
    endpoint.api_key = None
    async with (
        open_session(guard, connect_timeout_s=1) as session,
        session.get(f"http://localhost:{endpoint.port}/v1/models") as answer,
    ):
        assert answer.status == 200


async def test_the_environment_names_no_proxy(
    guard: EgressGuard, endpoint: FakeModelEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", "http://198.51.100.7:3128")
    endpoint.api_key = None
    async with (
        open_session(guard, connect_timeout_s=1) as session,
        session.get(f"{endpoint.url}/models") as answer,
    ):
        assert answer.status == 200


@pytest.mark.parametrize("variable", ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"])
async def test_no_variable_names_a_proxy(
    guard: EgressGuard,
    endpoint: FakeModelEndpoint,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
) -> None:
    monkeypatch.setenv(variable, "http://198.51.100.7:3128")
    endpoint.api_key = None
    async with (
        open_session(guard, connect_timeout_s=1) as session,
        session.get(f"{endpoint.url}/models") as answer,
    ):
        assert answer.status == 200


def test_the_socket_is_refused_for_the_metadata_address_even_if_all_is_allowed(
    refusals: list[Reason],
) -> None:
    guard = EgressGuard([ip_network("0.0.0.0/0")], on_refused=refusals.append)
    with pytest.raises(EgressRefusedError):
        guard.open_socket(an_answer("169.254.169.254")[0])
    assert refusals == [Reason.NETWORK]


def test_a_recorder_hears_which_sockets_are_the_guards() -> None:
    recorder = EgressRecorder(lambda _: None)
    guard = EgressGuard(DEFAULT_NETWORKS, on_refused=lambda _: None, recorder=recorder)
    with guard.open_socket(an_answer("127.0.0.1")[0]) as opened:
        recorder("socket.connect", (opened, ("127.0.0.1", 80)))
        with pytest.raises(EgressRefusedError, match="past the guard"):
            recorder("socket.connect", (opened, ("127.0.0.2", 80)))


def test_what_the_guard_refuses_is_in_the_ledger(tmp_path: Path) -> None:
    recorder = EgressRecorder(lambda _: None, ledger=Ledger(tmp_path, "gateway"))
    guard = EgressGuard(DEFAULT_NETWORKS, on_refused=lambda _: None, recorder=recorder)
    with pytest.raises(EgressRefusedError):
        guard.open_socket(an_answer("198.51.100.7")[0])
    line = json.loads((tmp_path / "gateway.jsonl").read_text())
    assert (line["what"], line["host"]) == ("connect", "198.51.100.7")


async def test_what_a_guard_aside_refuses_is_an_answer_and_no_attempt(tmp_path: Path) -> None:
    ledger = tmp_path / "gateway.jsonl"
    recorder = EgressRecorder(lambda _: None, ledger=Ledger(ledger.parent, "gateway"))
    guard = EgressGuard(DEFAULT_NETWORKS, on_refused=lambda _: None, recorder=recorder)
    with pytest.raises(EgressRefusedError):
        await guard.aside("gpu-1.corp").resolve("198.51.100.7", 80)
    assert not await asyncio.to_thread(ledger.exists)


def a_guard(
    look_up: Callable[[str, int], Awaitable[Sequence[AddressInfo]]],
    refusals: list[Reason],
    *,
    resolve_timeout_s: float = 3.0,
) -> EgressGuard:
    guard = EgressGuard(
        DEFAULT_NETWORKS,
        on_refused=refusals.append,
        look_up=look_up,
        resolve_timeout_s=resolve_timeout_s,
    )
    guard.configure(["gpu-1.corp"])
    return guard


async def test_one_bad_answer_refuses_a_name_as_a_whole(refusals: list[Reason]) -> None:
    guard = a_guard(Names(an_answer("10.0.0.1", "198.51.100.7")).look_up, refusals)
    with pytest.raises(EgressRefusedError, match=r"of gpu-1\.corp is outside"):
        await guard.resolve("gpu-1.corp", 80)
    assert refusals == [Reason.NETWORK]


async def test_a_name_means_what_was_checked_although_its_answer_changes(
    refusals: list[Reason],
) -> None:
    names = Names(an_answer("10.0.0.1"), an_answer("198.51.100.7"))
    guard = a_guard(names.look_up, refusals)
    checked = await guard.resolve("gpu-1.corp", 80)
    assert await guard.resolve("gpu-1.corp", 80) == checked == an_answer("10.0.0.1")
    assert names.asked == 1
    guard.forget("gpu-1.corp", 80)
    with pytest.raises(EgressRefusedError):
        await guard.resolve("gpu-1.corp", 80)


async def test_the_address_that_was_checked_is_the_one_that_is_dialled(
    refusals: list[Reason], endpoint: FakeModelEndpoint
) -> None:
    endpoint.api_key = None
    names = Names(an_answer("127.0.0.1", port=endpoint.port), an_answer("198.51.100.7"))
    guard = a_guard(names.look_up, refusals)
    async with open_session(guard, connect_timeout_s=1) as session:
        for _ in range(2):
            url = f"http://gpu-1.corp:{endpoint.port}/v1/models"
            async with session.get(url, headers={"Connection": "close"}) as answer:
                assert answer.status == 200
    assert (names.asked, refusals) == (1, [])


async def test_a_pinned_name_is_asked_for_again_once_its_time_is_over(
    refusals: list[Reason], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.upstream.egress.RESOLVED_FOR_S", 0.0)
    names = Names(an_answer("10.0.0.1"), an_answer("10.0.0.2"))
    guard = a_guard(names.look_up, refusals)
    await guard.resolve("gpu-1.corp", 80)
    assert await guard.resolve("gpu-1.corp", 80) == an_answer("10.0.0.2")


async def test_a_resolver_that_hangs_is_given_up_and_asked_only_once(
    refusals: list[Reason],
) -> None:
    answered, asked = asyncio.Event(), []

    async def look_up(host: str, port: int) -> Sequence[AddressInfo]:
        asked.append(host)
        await answered.wait()
        return an_answer("10.0.0.1", port=port)

    guard = a_guard(look_up, refusals, resolve_timeout_s=0.02)
    for _ in range(2):
        with pytest.raises(OSError, match="not resolved within"):
            await guard.resolve("gpu-1.corp", 80)
    answered.set()
    assert await guard.resolve("gpu-1.corp", 80) == an_answer("10.0.0.1")
    assert asked == ["gpu-1.corp"]


async def test_a_name_without_an_address_is_an_ordinary_failure(refusals: list[Reason]) -> None:
    async def look_up(host: str, port: int) -> Sequence[AddressInfo]:
        raise socket.gaierror(socket.EAI_NONAME, f"{host}:{port} is not known")

    guard = a_guard(look_up, refusals)
    with pytest.raises(socket.gaierror):
        await guard.resolve("gpu-1.corp", 80)
    assert refusals == []


async def test_a_redirect_is_refused_even_by_a_call_that_would_follow_it(
    guard: EgressGuard,
) -> None:
    async def redirect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n\r\n")
        writer.close()

    async with (
        await asyncio.start_server(redirect, "127.0.0.1", 0) as server,
        open_session(guard, connect_timeout_s=1) as session,
    ):
        port = server.sockets[0].getsockname()[1]
        with pytest.raises(RedirectRefusedError, match="302"):
            await session.get(f"http://127.0.0.1:{port}/")


async def test_a_guard_aside_reaches_one_more_host_and_leaves_the_first_as_it_is(
    guard: EgressGuard, refusals: list[Reason]
) -> None:
    guard.configure(["model.test"])
    aside = guard.aside("localhost")
    assert await aside.resolve("localhost", 80)
    for asked, host in ((aside, "model.test"), (guard, "localhost")):
        with pytest.raises(EgressRefusedError):
            await asked.resolve(host, 80)
    # What an admin has tried is no attempt to get out.
    assert refusals == [Reason.HOST]
    guard.configure(["other.test"])
    assert await aside.resolve("localhost", 80)


async def test_a_guard_aside_knows_the_same_networks(guard: EgressGuard) -> None:
    aside = guard.aside("198.51.100.7")
    with pytest.raises(EgressRefusedError) as refused:
        await aside.resolve("198.51.100.7", 80)
    assert refused.value.address == "198.51.100.7"
    assert aside.networks == guard.networks
