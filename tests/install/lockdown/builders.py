"""Three networks of the kernel, joined like an engine's: a container, its host, and the outside."""

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent.parent
BRIDGE = "locked"
HOST, CONTAINER = "172.31.9.1", "172.31.9.2"
HOST_OUTSIDE, OUTSIDE = "198.51.100.1", "198.51.100.2"
PORT = 7777
WAIT_S = 1.5

ECHO = f"""
import socket, threading
listener = socket.create_server(("0.0.0.0", {PORT}))
print("listening", flush=True)
def answer(connection):
    while said := connection.recv(9):
        connection.sendall(said)
while True:
    threading.Thread(target=answer, args=(listener.accept()[0],), daemon=True).start()
"""
# Each line of standard input is said to the other side; prints whether it came back in time.
SPEAKER = f"""
import socket, sys
try:
    connection = socket.create_connection((sys.argv[1], {PORT}), {WAIT_S})
    print("through", flush=True)
    for line in sys.stdin:
        connection.sendall(b"word")
        print("through" if connection.recv(9) else "ended", flush=True)
except OSError as error:
    print("nothing", flush=True)
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One network, held by a process."""

    pid: int

    def start(self, *words: str) -> subprocess.Popen[str]:
        """Starts a program there, with pipes for what it reads and says."""
        return subprocess.Popen(
            ["nsenter", f"--net=/proc/{self.pid}/ns/net", *words],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def run(self, *words: str) -> str:
        """What a program there says."""
        with self.start(*words) as program:
            said, _ = program.communicate(timeout=30)
        return said

    def reaches(self, address: str) -> bool:
        """Whether a connection to the listener at `address` is answered."""
        return self.run(sys.executable, "-c", SPEAKER, address) == "through\n"

    def lockdown(self, command: str, signs: Path) -> str:
        """What the lock's own program says."""
        words = ["-m", "install.lockdown", command, BRIDGE, "--signs", str(signs)]
        return self.run(sys.executable, *words)


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """All three, with a listener in each of them."""

    container: Place
    host: Place
    outside: Place


@contextlib.contextmanager
def opened_networks() -> Iterator[Networks]:
    """Makes them; they go with the processes that hold them."""
    with contextlib.ExitStack() as stack:
        container, host, outside = (stack.enter_context(_place()) for _ in range(3))
        commands = (
            (host, f"ip link add {BRIDGE} type bridge"),
            (host, f"ip link add plug type veth peer name eth0 netns {container.pid}"),
            (host, f"ip link set plug master {BRIDGE} up"),
            (host, f"ip addr add {HOST}/24 dev {BRIDGE}"),
            (host, f"ip link set {BRIDGE} up"),
            (host, f"ip link add out type veth peer name eth0 netns {outside.pid}"),
            (host, f"ip addr add {HOST_OUTSIDE}/24 dev out"),
            (host, "ip link set out up"),
            (host, "sysctl -qw net.ipv4.ip_forward=1"),
            (container, f"ip addr add {CONTAINER}/24 dev eth0"),
            (container, "ip link set eth0 up"),
            (container, f"ip route add default via {HOST}"),
            (outside, f"ip addr add {OUTSIDE}/24 dev eth0"),
            (outside, "ip link set eth0 up"),
            (outside, f"ip route add default via {HOST_OUTSIDE}"),
        )
        for place, command in commands:
            said = place.run(*command.split())
            assert not said, f"{command}: {said}"
        for place in (container, host, outside):
            stack.enter_context(_listener(place))
        yield Networks(container=container, host=host, outside=outside)


@contextlib.contextmanager
def _place() -> Iterator[Place]:
    holding = [
        *("unshare", "--net", "--kill-child", sys.executable, "-c"),
        "import sys; print(1, flush=True); sys.stdin.read()",
    ]
    with subprocess.Popen(
        holding, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "1\n"
        yield Place(pid=holder.pid)


@contextlib.contextmanager
def _listener(place: Place) -> Iterator[None]:
    with place.start(sys.executable, "-c", ECHO) as program:
        assert program.stdout is not None
        assert program.stdout.readline() == "listening\n"
        try:
            yield
        finally:
            program.terminate()
