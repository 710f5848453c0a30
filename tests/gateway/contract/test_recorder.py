import socket
import subprocess
import sys
from typing import Any

import pytest

from gateway.contract.egress import EgressRefusedError, Reason
from gateway.contract.recorder import EgressRecorder


class Hook:
    """A recorder that is asked by hand, as no hook can ever be taken away from the tests."""

    def __init__(self, *names: str) -> None:
        self.refused: list[EgressRefusedError] = []
        self.recorder = EgressRecorder(self.refused.append, names=names)

    def refuses(self, event: str, *args: Any) -> bool:
        try:
            self.recorder(event, args)
        except EgressRefusedError as error:
            return (self.refused.pop(), error.reason) == (error, Reason.UNGUARDED)
        return False


@pytest.mark.parametrize("event", ["socket.connect", "socket.sendto", "socket.sendmsg"])
@pytest.mark.parametrize("host", ["127.0.0.1", "10.0.0.1", "198.51.100.7", "localhost"])
def test_a_connection_that_no_guard_let_through_is_refused(event: str, host: str) -> None:
    assert Hook().refuses(event, object(), (host, 443))


def test_a_guards_socket_connects_to_the_address_that_was_checked_and_to_no_other() -> None:
    hook = Hook()
    with socket.socket() as opened:
        hook.recorder.let_through(opened, "10.0.0.1")
        assert not hook.refuses("socket.connect", opened, ("10.0.0.1", 443))
        assert hook.refuses("socket.connect", opened, ("10.0.0.2", 443))
        with socket.socket() as another:
            assert hook.refuses("socket.connect", another, ("10.0.0.1", 443))


@pytest.mark.parametrize("address", ["/run/some.sock", b"\x00abstract", None, (0, 5)])
def test_what_does_not_leave_the_machine_passes(address: object) -> None:
    assert not Hook().refuses("socket.connect", object(), address)


@pytest.mark.parametrize("host", [None, "", "localhost", "127.0.0.1", "10.0.0.5", "::1"])
def test_a_look_up_that_asks_nobody_passes(host: str | None) -> None:
    assert not Hook().refuses("socket.getaddrinfo", host, 80, 0, 1, 0)


@pytest.mark.parametrize("host", ["telemetry.example", b"telemetry.example", "127.1"])
@pytest.mark.parametrize("event", ["socket.getaddrinfo", "socket.gethostbyname"])
def test_a_look_up_of_an_unknown_name_is_refused(event: str, host: str | bytes) -> None:
    assert Hook().refuses(event, host, 80)


def test_a_name_that_is_known_or_being_looked_up_passes() -> None:
    hook = Hook("Gateway.corp")
    assert not hook.refuses("socket.getaddrinfo", "gateway.corp.", 80)
    with hook.recorder.looking_up("gpu-1.corp"):
        assert not hook.refuses("socket.getaddrinfo", "GPU-1.corp", 80)
        assert hook.refuses("socket.getaddrinfo", "gpu-2.corp", 80)
    assert hook.refuses("socket.getaddrinfo", "gpu-1.corp", 80)


@pytest.mark.parametrize("event", ["socket.gethostbyaddr", "socket.getnameinfo"])
def test_only_loopback_is_asked_for_its_name(event: str) -> None:
    hook = Hook()
    host = "127.0.0.1" if event == "socket.gethostbyaddr" else ("127.0.0.1", 80)
    other = "198.51.100.7" if event == "socket.gethostbyaddr" else ("198.51.100.7", 80)
    assert not hook.refuses(event, host)
    assert hook.refuses(event, other)


def test_other_events_are_not_its_business() -> None:
    assert not Hook().refuses("open", "/etc/hosts", "r", 0)
    assert not Hook().refuses("socket.bind", object(), ("198.51.100.7", 80))
    assert not Hook().refuses("socket.getaddrinfo", 5, 80)


def test_one_that_rests_refuses_nothing() -> None:
    hook = Hook()
    hook.recorder.rest()
    assert not hook.refuses("socket.connect", object(), ("198.51.100.7", 80))


AS_A_HOOK = """
import asyncio, socket, sys, uvloop
from gateway.contract.recorder import EgressRecorder
refused = []
recorder = EgressRecorder(refused.append)
sys.addaudithook(recorder)
server = socket.create_server(("127.0.0.1", 0))
address = server.getsockname()

def attempt(connect):
    try:
        connect()
    except OSError as error:
        print(error)

async def on_a_loop():
    with socket.socket() as plain, socket.socket() as opened:
        plain.setblocking(False)
        opened.setblocking(False)
        loop = asyncio.get_running_loop()
        recorder.let_through(opened, address[0])
        await loop.sock_connect(opened, address)
        print(opened.getpeername() == address)
        try:
            await loop.sock_connect(plain, address)
        except OSError as error:
            print(error)

attempt(lambda: socket.create_connection(address))
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as packets:
    attempt(lambda: packets.sendto(b"x", ("127.0.0.1", 9)))
attempt(lambda: socket.getaddrinfo("telemetry.example", 443))
asyncio.run(on_a_loop())
uvloop.run(on_a_loop())
print(len(refused))
"""


@pytest.mark.planted_egress("telemetry.example")
def test_as_a_hook_it_stops_pythons_own_sockets_also_under_uvloop() -> None:
    done = subprocess.run(
        [sys.executable, "-c", AS_A_HOOK], capture_output=True, text=True, timeout=60, check=True
    )
    past = "A connection to 127.0.0.1 went past the guard."
    look_up = "A look-up of telemetry.example went past the guard."
    assert done.stdout.splitlines() == [past, past, look_up, "True", past, "True", past, "5"]
