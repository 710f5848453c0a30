"""The world beyond the engine's machine: another namespace, reached by the default route."""

import json
import shlex
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.system.containers.machine import GET, Machine, finished
from tests.system.containers.prepared import NoEngineError

# Isolated from the hook that watches for ways out: it plays what lies there, and may answer.
LISTENER = (sys.executable, "-I", str(Path(__file__).parent / "listener.py"))
PORT = 9009

# Addresses kept for documentation: nothing real is ever asked, even if a packet did get out.
ADDRESS, MACHINE_ADDRESS = "198.51.100.2", "198.51.100.1"
ADDRESS_V6, MACHINE_ADDRESS_V6 = "2001:db8::2", "2001:db8::1"
FAR, FAR_V6 = "203.0.113.9", "2001:db8:f::9"

# Where containers have their addresses. The outside knows the way back to them, so that an address
# nobody translated is no protection.
CONTAINERS = ("172.16.0.0/12", "192.168.0.0/16", "10.0.0.0/8")
CONTAINERS_V6 = "2001:db8:c::/48"


@dataclass(slots=True)
class Notes:
    """What a listener noted, since it was last told to forget."""

    path: Path
    _read: int = 0

    def __post_init__(self) -> None:
        self.path.touch()

    def forget(self) -> None:
        """From here on only what is new counts."""
        self._read = len(self.path.read_text().splitlines())

    def all(self, **facts: Any) -> list[dict[str, Any]]:
        """Everything noted since, that agrees with the facts."""
        lines = self.path.read_text().splitlines()[self._read :]
        found = [json.loads(line) for line in lines]
        return [each for each in found if facts.items() <= each.items()]


@dataclass(slots=True, kw_only=True)
class Outside:
    """HTTP, UDP and DNS on the far side of a cable; every packet that arrives is noted."""

    machine: Machine
    notes: Notes
    pid: int = 0
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)

    @property
    def door(self) -> tuple[str, ...]:
        """What put before a command runs it outside."""
        return ("nsenter", "--target", str(self.pid), "--net", "--")

    def run(self, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """A command outside."""
        return finished(
            [*self.door, *command], self.machine.environment, check=check, text=None, cwd=None
        )

    def get(self, url: str) -> str:
        """Asks a published port from outside."""
        return self.run(sys.executable, "-c", GET, url).stdout

    def connect(self) -> None:
        """Makes the namespace, lays the cable and starts listening."""
        # Waits for a line, since the cable comes after the namespace.
        wait = "ip link set lo up; read -r _; exec "
        program = shlex.join([*LISTENER, str(self.notes.path), str(PORT), "dns", "outside"])
        self._process = subprocess.Popen(
            ["unshare", "--net", "sh", "-c", f"echo here; {wait}{program}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        assert self._process.stdout.readline()
        self.pid = self._process.pid
        self._lay_cable()
        self._process.stdin.write("go\n")
        self._process.stdin.flush()
        if not self._process.stdout.readline():
            message = "nothing listens outside"
            raise NoEngineError(message)

    def _lay_cable(self) -> None:
        # Made within the machine's namespace, so nothing of it is ever seen in the developer's.
        self.machine.run(
            *("nsenter", "--target", str(self.machine.pid), "--net", "--"),
            *("ip", "link", "add", "cable", "type", "veth"),
            *("peer", "name", "outside", "netns", str(self.pid)),
        )
        here = (
            f"addr add {MACHINE_ADDRESS}/24 dev cable",
            f"-6 addr add {MACHINE_ADDRESS_V6}/64 dev cable nodad",
            "link set cable up",
            f"route add default via {ADDRESS}",
            f"-6 route add default via {ADDRESS_V6}",
        )
        there = (
            f"addr add {ADDRESS}/24 dev outside",
            f"-6 addr add {ADDRESS_V6}/64 dev outside nodad",
            f"addr add {FAR}/32 dev lo",
            f"-6 addr add {FAR_V6}/128 dev lo nodad",
            "link set outside up",
            *(f"route add {network} via {MACHINE_ADDRESS}" for network in CONTAINERS),
            f"-6 route add {CONTAINERS_V6} via {MACHINE_ADDRESS_V6}",
        )
        for words in there:
            self.run("ip", *words.split())
        for words in here:
            self.machine.inside("ip", *words.split())

    def forget_the_way_back(self) -> None:
        """From here on it answers only to addresses on the cable, as a router would."""
        for network in CONTAINERS:
            self.run("ip", "route", "del", network)

    def learn_the_way_back(self) -> None:
        """Knows again how to reach containers by their own addresses."""
        for network in CONTAINERS:
            self.run("ip", "route", "add", network, "via", MACHINE_ADDRESS)

    def disconnect(self) -> None:
        """Ends it; the cable goes with it."""
        if self._process is not None:
            self._process.communicate(timeout=30)
            self._process = None


@dataclass(slots=True, kw_only=True)
class HostService:
    """Services of the machine that listen on every address, as careless ones do; its resolver too.

    They end with the machine.
    """

    machine: Machine
    notes: Notes

    def start(self) -> None:
        """Returns once they listen."""
        self.machine.stays(*LISTENER, str(self.notes.path), str(PORT), "dns")
