import socket
from ipaddress import ip_network

import aiohttp
import pytest

from gateway.contract.addresses import DEFAULT_NETWORKS
from gateway.upstream.egress import EgressGuard, EgressRefusedError, open_session
from tests.fakes.model_endpoint import FakeModelEndpoint


class Refusals:
    def __init__(self) -> None:
        self.count = 0

    def add(self) -> None:
        self.count += 1


@pytest.fixture
def refusals() -> Refusals:
    return Refusals()


@pytest.fixture
def guard(refusals: Refusals) -> EgressGuard:
    return EgressGuard(DEFAULT_NETWORKS, on_refused=refusals.add)


async def test_an_address_outside_the_allowed_networks_is_never_dialled(
    guard: EgressGuard, refusals: Refusals
) -> None:
    async with open_session(guard, connect_timeout_s=1) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get("http://198.51.100.7/")
    assert refusals.count == 1


async def test_a_name_that_nothing_configured_is_not_resolved(
    guard: EgressGuard, refusals: Refusals
) -> None:
    async with open_session(guard, connect_timeout_s=1) as session:
        with pytest.raises(aiohttp.ClientConnectorError):
            await session.get("http://telemetry.example/")
    assert refusals.count == 1


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


def test_the_socket_is_refused_for_the_metadata_address_even_if_all_is_allowed(
    refusals: Refusals,
) -> None:
    guard = EgressGuard([ip_network("0.0.0.0/0")], on_refused=refusals.add)
    info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("169.254.169.254", 80))
    with pytest.raises(EgressRefusedError):
        guard.open_socket(info)
