"""What tests of every package use."""

import logging
import os
import socket
import time
from collections.abc import Callable, Iterator

import httpx
import pytest
import structlog


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


@pytest.fixture(autouse=True)
def umask_as_before() -> Iterator[None]:
    """A program run inside a test keeps the files that it makes to itself."""
    before = os.umask(0o022)
    os.umask(before)
    yield
    os.umask(before)


def log_plainly() -> None:
    """What is logged in this process is a line, and a traceback a few.

    By default structlog draws tracebacks with all local values, which takes seconds on a busy
    machine, in the middle of what a test waits for.
    """
    structlog.reset_defaults()
    renderer = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[*structlog.get_config()["processors"][:-1], renderer])


log_plainly()


@pytest.fixture(autouse=True)
def logging_as_before() -> Iterator[None]:
    """A program run inside a test sets up logging for a process of its own."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level
    log_plainly()


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
