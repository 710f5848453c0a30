import socket
from collections.abc import Sequence
from ipaddress import ip_network

import pytest

from gateway.contract.addresses import DEFAULT_NETWORKS
from gateway.contract.egress import EgressRefusedError
from gateway.issuer.feed.known_models import KnownModel
from gateway.upstream.client import Client
from gateway.upstream.egress import AddressInfo, EgressGuard
from gateway.upstream.endpoints import Endpoints
from tests.fakes.model_endpoint import FakeModelEndpoint


def a_known_model(*endpoints: str, **changes: object) -> KnownModel:
    fields: dict[str, object] = {
        "ref": "demo",
        "provider": "shm",
        "identifier": "demo",
        "endpoints": endpoints,
        "api_key": None,
        "is_understood": True,
        **changes,
    }
    return KnownModel(**fields)  # type: ignore[arg-type]  # built from what a test states


async def look_up(_: str, port: int) -> Sequence[AddressInfo]:
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]


@pytest.fixture
def guard() -> EgressGuard:
    return EgressGuard(DEFAULT_NETWORKS, on_refused=lambda _: None, look_up=look_up)


async def test_only_the_hosts_of_the_feed_and_the_instance_may_be_resolved(
    guard: EgressGuard,
) -> None:
    endpoints = Endpoints(guard, always_allowed=["instance.test"])
    endpoints.replace((a_known_model("http://gpu-1:8000/v1"),))
    await guard.resolve("gpu-1", 80)
    endpoints.replace((a_known_model("http://gpu-2:8000/v1"),))
    await guard.resolve("gpu-2", 80)
    await guard.resolve("Instance.Test", 80)
    with pytest.raises(EgressRefusedError):
        await guard.resolve("gpu-1", 80)


def test_an_upstream_keeps_whom_its_model_is_open_to(guard: EgressGuard) -> None:
    networks = (ip_network("10.0.0.0/8"),)
    endpoints = Endpoints(guard, always_allowed=[])
    endpoints.replace((a_known_model("http://gpu-1/v1", allowed_networks=networks),))
    assert [each.allowed_networks for each in endpoints.everything()] == [networks]


def test_a_model_without_a_usable_endpoint_is_left_out(guard: EgressGuard) -> None:
    endpoints = Endpoints(guard, always_allowed=[])
    endpoints.replace((a_known_model(), a_known_model("ftp://x", ref="other")))
    assert endpoints.everything() == []


async def test_what_a_probe_saw_is_kept_until_the_endpoint_changes(
    guard: EgressGuard, endpoint: FakeModelEndpoint
) -> None:
    endpoint.api_key = "k"
    endpoints = Endpoints(guard, always_allowed=[])
    model = a_known_model(endpoint.url, api_key="k")
    endpoints.replace((model,))
    client = Client(guard, connect_timeout_s=1)
    await endpoints.probe(client)
    assert [each.state for each in endpoints.report()] == ["ready"]
    endpoints.replace((model,))
    assert endpoints.report()[0].state == "ready"
    endpoints.replace((a_known_model(endpoint.url, api_key="wrong"),))
    await endpoints.probe(client)
    assert endpoints.report()[0].state == "unreachable"
    endpoints.replace((a_known_model("http://127.0.0.1:1/v1"),))
    await endpoints.probe(client)
    assert endpoints.report()[0].state == "unreachable"
    client.close()


def test_a_question_names_the_host_and_the_path_and_carries_the_api_key(
    guard: EgressGuard,
) -> None:
    endpoints = Endpoints(guard, always_allowed=[])
    endpoints.replace((a_known_model("http://gpu-1:8000/v1", api_key="k"),))
    upstream = endpoints.find("demo")
    assert upstream is not None
    assert upstream.question("/chat/completions", b"{}") == (
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: gpu-1:8000\r\nAuthorization: Bearer k\r\n"
        b"Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
    )


@pytest.mark.parametrize(
    ("endpoint", "host"),
    [
        ("http://[::1]:8000/v1", b"Host: [::1]:8000\r\n"),
        ("http://gpu-1/v1", b"Host: gpu-1\r\n"),
        ("https://gpu-1:443/v1", b"Host: gpu-1\r\n"),
    ],
)
def test_the_host_header_follows_the_endpoint(
    guard: EgressGuard, endpoint: str, host: bytes
) -> None:
    endpoints = Endpoints(guard, always_allowed=[])
    endpoints.replace((a_known_model(endpoint),))
    upstream = endpoints.find("demo")
    assert upstream is not None
    assert host in upstream.probe()


@pytest.mark.parametrize("api_key", ["a\r\nHost: elsewhere", "a\x00", "\u00fc"])
def test_a_model_whose_api_key_fits_no_header_is_left_out(guard: EgressGuard, api_key: str) -> None:
    endpoints = Endpoints(guard, always_allowed=[])
    endpoints.replace((a_known_model("http://gpu-1/v1", api_key=api_key),))
    assert endpoints.everything() == []


def test_an_api_key_does_not_show(guard: EgressGuard) -> None:
    endpoints = Endpoints(guard, always_allowed=[])
    endpoints.replace((a_known_model("http://127.0.0.1:1/v1", api_key="canary"),))
    assert "canary" not in repr(endpoints.everything())
    assert "canary" not in repr(a_known_model(api_key="canary"))
