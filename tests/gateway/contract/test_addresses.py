from ipaddress import ip_address, ip_network

import pytest

from gateway.contract.addresses import (
    DEFAULT_NETWORKS,
    EndpointRefusedError,
    is_allowed,
    parse_endpoint,
)

EVERYWHERE = (ip_network("0.0.0.0/0"), ip_network("::/0"))


@pytest.mark.parametrize(
    "text", ["127.0.0.1", "::1", "10.1.2.3", "172.16.0.1", "192.168.9.9", "fd12::1"]
)
def test_loopback_and_private_addresses_are_allowed_by_default(text: str) -> None:
    assert is_allowed(ip_address(text), DEFAULT_NETWORKS)


@pytest.mark.parametrize("text", ["198.51.100.1", "8.8.8.8", "172.32.0.1", "2001:db8::1"])
def test_public_addresses_are_not_allowed_by_default(text: str) -> None:
    assert not is_allowed(ip_address(text), DEFAULT_NETWORKS)


@pytest.mark.parametrize(
    "text",
    [
        "0.0.0.0",  # noqa: S104  # not bound to
        "0.1.2.3",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "::",
        "::ffff:127.0.0.1",
        "::127.0.0.1",
        "64:ff9b::a00:1",
        "2002:a00:1::1",
        "fe80::1",
        "fd00:ec2::254",
        "ff02::1",
    ],
)
def test_no_setting_opens_these(text: str) -> None:
    assert not is_allowed(ip_address(text), EVERYWHERE)


def test_an_endpoint_is_taken_apart() -> None:
    endpoint = parse_endpoint("https://gpu-1.corp:8443/v1/")
    assert (endpoint.url, endpoint.host, endpoint.port) == (
        "https://gpu-1.corp:8443/v1",
        "gpu-1.corp",
        8443,
    )
    assert parse_endpoint("http://[::1]/v1").port == 80


@pytest.mark.parametrize(
    "url",
    [
        "",
        "ftp://x/v1",
        "http://",
        "http:///v1",
        "http://user:pass@host/v1",
        "http://user@host/v1",
        "http://host/v1?key=1",
        "http://host/v1#x",
        "http://host:99999/v1",
        "http://[::1/v1",
        "http://ho st/v1",
        "http://host/v1\r\nX: y",
        "http://host/" + "x" * 3000,
    ],
)
def test_a_url_that_is_no_endpoint_is_refused(url: str) -> None:
    with pytest.raises(EndpointRefusedError):
        parse_endpoint(url)
