"""A guard that resolves every configured name to loopback."""

import socket
from collections.abc import Sequence

import pytest

from gateway.contract.addresses import DEFAULT_NETWORKS
from gateway.upstream.egress import AddressInfo, EgressGuard


async def look_up(_: str, port: int) -> Sequence[AddressInfo]:
    return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", ("127.0.0.1", port))]


@pytest.fixture
def guard() -> EgressGuard:
    return EgressGuard(DEFAULT_NETWORKS, on_refused=lambda _: None, look_up=look_up)
