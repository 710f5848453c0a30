"""What tests of every package use."""

import atexit
import gc
import logging
import os
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import cache
from itertools import cycle, islice
from pathlib import Path

import httpx
import pytest
import structlog

from tests.certificate_builders import Organisation

pytest_plugins = ("tests.egress_ledger",)


def pytest_collection_finish() -> None:
    """What is imported and collected stays, so no search for garbage need go through it again."""
    gc.collect()
    gc.freeze()


# Below 32768, where Linux begins when a socket that calls out or binds to 0 gets a port.
FIRST_PORT = 10_000
PORTS_OF_ONE = 500
# Some programs take those after their first as well.
STRIDE = 5


@cache
def _own_ports() -> tuple[Iterator[int], socket.socket]:
    """Ports for this process alone, and the name that keeps other processes of tests off them."""
    for first in range(FIRST_PORT, 32_500, PORTS_OF_ONE):
        name = socket.socket(socket.AF_UNIX)
        try:
            # An abstract name, like a port, is one of its network namespace; it ends with us.
            name.bind(f"\0casemate-tests-from-port-{first}")
        except OSError:
            name.close()
            continue
        atexit.register(name.close)
        return cycle(range(first, first + PORTS_OF_ONE, STRIDE)), name
    message = "every port is taken by other processes of tests"
    raise OSError(message)


def a_free_port() -> int:
    """A loopback port that nothing listens on, and that no other process of tests will take."""
    for port in islice(_own_ports()[0], PORTS_OF_ONE):
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    message = "something listens on every port that is ours"
    raise OSError(message)


@pytest.fixture
def free_port() -> int:
    return a_free_port()


@pytest.fixture
def another_free_port() -> int:
    return a_free_port()


@pytest.fixture(scope="session")
def an_authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return Organisation.make(tmp_path_factory.mktemp("authority")).ca


@pytest.fixture
def one_authority(an_authority: Path) -> Iterator[None]:
    """By default one is trusted: to read a machine's 140 authorities takes 30 ms, every time."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", str(an_authority))
        yield


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
