"""What tests of every package use."""

import socket
import time
from collections.abc import Callable

import httpx
import pytest


def a_free_port() -> int:
    """A loopback port that nothing listens on right now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@pytest.fixture
def free_port() -> int:
    return a_free_port()


@pytest.fixture
def another_free_port() -> int:
    return a_free_port()


def wait_until(claim: Callable[[], object], within_s: float = 20.0) -> None:
    """Waits until the claim holds; a refused or cut connection counts as "not yet"."""
    deadline = time.monotonic() + within_s
    while True:
        try:
            if claim():
                return
        except httpx.TransportError:
            pass
        if time.monotonic() > deadline:
            message = f"not within {within_s} s"
            raise TimeoutError(message)
        time.sleep(0.02)
