"""The networks of compose.yaml with containers in them that do nothing but try to get out.

Whether a container gets out depends on compose.yaml alone, so it is asked of bare containers: they
are up within seconds, also for a compose.yaml that somebody changed.
"""

import json
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.system.containers.machine import Machine
from tests.system.containers.outside import (
    ADDRESS,
    FAR,
    FAR_V6,
    MACHINE_ADDRESS,
    MACHINE_ADDRESS_V6,
    PORT,
    HostService,
    Outside,
)
from tests.system.containers.probing import (
    Attempt,
    attempt,
    probe,
    reached,
    to_addresses,
    to_the_outside,
)

CLONE = Path(__file__).parent.parent.parent.parent
COMPOSE_FILE = CLONE / "compose.yaml"
SERVICES = ("instance", "gateway", "model-server")
PORTS = {"instance": 8080, "gateway": 5052, "model-server": 8000}
PUBLISHED = ("instance", "gateway")

# Where the idle project publishes them, beside an appliance with the usual ports.
IDLE_PORTS = {"instance": 18080, "gateway": 15052}
RESTLESS = (Path(__file__).parent / "restless.py").read_text()
GOALS = json.dumps([ADDRESS, FAR, FAR_V6, MACHINE_ADDRESS, MACHINE_ADDRESS_V6])
LEFT_OUT = ("build", "healthcheck", "secrets", "environment")

Compose = dict[str, Any]


def resolved(machine: Machine, **variables: str) -> Compose:
    """compose.yaml as the plugin reads it."""
    read = ("docker", "compose", "-p", "idle", "-f", str(COMPOSE_FILE), "config", "--format=json")
    found: Compose = json.loads(machine.run(*read, extra=variables).stdout)
    return found


def idle(compose: Compose, image: str) -> Compose:
    """The same file with the services' programs, secrets and places on the host left out."""
    services = {name: compose["services"][name] for name in (*SERVICES, "lockdown")}
    for name in SERVICES:
        service = services[name] = {k: v for k, v in services[name].items() if k not in LEFT_OUT}
        service["image"] = image
        service["command"] = ["python3", "-c", RESTLESS, str(PORTS[name]), GOALS, str(PORT)]
        service["volumes"] = [each for each in service["volumes"] if each["type"] == "volume"]
        after = service.get("depends_on", {})
        service["depends_on"] = {each: after[each] for each in after if each == "lockdown"}
    return {**compose, "services": services, "secrets": {}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What one service reached: of what it must not, and of its peers."""

    reached: dict[str, str]
    peers: dict[str, str]


@dataclass(slots=True, kw_only=True)
class Containers:
    """Running containers, one a service, whose ways out are tried."""

    machine: Machine
    project: str

    def container(self, service: str) -> str:
        """Its name."""
        label = f"label=com.docker.compose.service={service}"
        return "".join(self.found("ps", "-a", "-f", label))

    def found(self, *words: str) -> list[str]:
        """What a listing command of the engine finds of this project."""
        label = f"label=com.docker.compose.project={self.project}"
        return self.machine.docker(*words, "-q", "-f", label).stdout.split()

    def remove(self) -> None:
        """Whatever is left of it, but for volumes."""
        for name in self.found("ps", "-a"):
            self.machine.docker("rm", "--force", name)
        for name in self.found("network", "ls"):
            self.machine.docker("network", "rm", name)

    def execute(self, service: str, command: list[str]) -> subprocess.CompletedProcess[str]:
        return self.machine.docker("exec", self.container(service), *command)

    def host_addresses(self) -> list[str]:
        """All that the host has: on the cable and on every bridge."""
        told = json.loads(self.machine.inside("ip", "-json", "addr").stdout)
        found = [
            each["local"]
            for link in told
            for each in link["addr_info"]
            if each["scope"] == "global"
        ]
        assert {MACHINE_ADDRESS, MACHINE_ADDRESS_V6} <= set(found)
        # An address that the bridge was not given is asked for all the same.
        return sorted({*found, *self.gateways()})

    def gateways(self) -> set[str]:
        """The first address of each network: the host's, on a bridge that has one."""
        names = self.machine.docker("network", "ls", "-q", "-f", "driver=bridge").stdout.split()
        told = json.loads(self.machine.docker("network", "inspect", *names).stdout)
        configs = [config for each in told for config in each["IPAM"]["Config"]]
        return {config["Gateway"] for config in configs if config.get("Gateway")}

    def probe(self, service: str, attempts: list[Attempt] | None = None) -> dict[str, str]:
        """What was reached of everything that a service might try, or of some of it."""

        def execute(command: list[str]) -> subprocess.CompletedProcess[str]:
            return self.execute(service, command)

        return reached(probe(execute, attempts or self.attempts(service)))

    def edge_address(self, service: str) -> str:
        """Its address on the network of the published ports."""
        told = json.loads(self.machine.docker("inspect", self.container(service)).stdout)
        networks = told[0]["NetworkSettings"]["Networks"].items()
        return str(next(each["IPAddress"] for name, each in networks if name.endswith("edge")))

    def attempts(self, service: str) -> list[Attempt]:
        """The ways out, to the host, and through the host to published ports."""
        hosts = self.host_addresses()
        ports = [*IDLE_PORTS.values(), *(PORTS[one] for one in PUBLISHED)]
        doors = [attempt("tcp", each, port) for each in hosts for port in ports]
        if service not in PUBLISHED:
            doors += [attempt("tcp", self.edge_address(one), PORTS[one]) for one in PUBLISHED]
        return [
            *to_the_outside(f"{service}.outside.test"),
            *to_addresses(hosts),
            *(attempt(way, each, 53) for each in hosts for way in ("dns", "ping")),
            *doors,
            *(attempt("tcp", f"{one}.inside", PORTS[one]) for one in SERVICES if one != service),
        ]

    def probe_all(self) -> dict[str, Found]:
        """Every service at once; the peers that it has to reach are told apart."""
        with ThreadPoolExecutor(len(SERVICES)) as pool:
            found = dict(zip(SERVICES, pool.map(self.probe, SERVICES), strict=True))
        return {
            service: Found(
                reached={label: how for label, how in all_.items() if ".inside" not in label},
                peers={label: how for label, how in all_.items() if ".inside" in label},
            )
            for service, all_ in found.items()
        }


@contextmanager
def brought_up(
    machine: Machine, compose: Compose, *services: str, remove_lock: Callable[[], object]
) -> Iterator[Containers]:
    """Brings all or some of a project up, and takes it and its host rule away again."""
    file = machine.folder / f"{compose['name']}.json"
    file.write_text(json.dumps(compose))
    command = ("docker", "compose", "-f", str(file))
    up = ("up", "--detach", "--no-build", "--pull", "never", "--wait")
    try:
        machine.run(*command, *up, *services)
        yield Containers(machine=machine, project=compose["name"])
    finally:
        machine.run(*command, "down", "--volumes", "--timeout", "1", check=False)
        remove_lock()


def forget(outside: Outside, host_service: HostService) -> None:
    """What comes next is noted alone."""
    outside.notes.forget()
    host_service.notes.forget()
