"""The probes can get out: without this, a probe that fails would say nothing about a lock."""

import subprocess
from collections.abc import Iterator

import pytest

from tests.conftest import wait_until
from tests.system.containers.machine import Machine
from tests.system.containers.outside import FAR, MACHINE_ADDRESS, HostService, Outside
from tests.system.containers.probing import (
    NAME,
    Exec,
    probe,
    reached,
    to_addresses,
    to_the_outside,
)

NETWORK, BRIDGE_ADDRESS = "plain", "172.31.0.1"


@pytest.fixture(scope="module")
def execute(machine: Machine) -> Iterator[Exec]:
    """In a container on a plain network, as anybody makes one."""
    subnets = ("--subnet", "172.31.0.0/24", "--ipv6", "--subnet", "2001:db8:c:1::/64")
    machine.docker("network", "create", *subnets, NETWORK)
    run = ("run", "--detach", "--init", "--network", NETWORK, machine.base_image, "sleep", "600")
    name = machine.docker(*run).stdout.strip()

    def within(command: list[str]) -> subprocess.CompletedProcess[str]:
        return machine.docker("exec", name, *command)

    yield within
    machine.docker("rm", "--force", name)
    machine.docker("network", "rm", NETWORK)


def test_a_container_on_a_plain_network_gets_out_by_every_way(
    outside: Outside, host_service: HostService, execute: Exec
) -> None:
    outside.notes.forget()
    attempts = to_the_outside()
    # A resolver's answer from outside says that there is no such name.
    wanted = {each["label"] for each in attempts if each["way"] != "resolver"}
    # The kernel first makes sure that nobody else has a new IPv6 address.
    wait_until(lambda: reached(probe(execute, attempts)).keys() == wanted)
    assert outside.notes.all(kind="tcp")
    assert outside.notes.all(kind="packet", goal=FAR)
    assert outside.notes.all(kind="dns", name=NAME)
    assert host_service.notes.all(kind="dns", name=NAME), "by the engine's resolver"


def test_a_container_on_a_plain_network_reaches_services_of_the_host(
    execute: Exec, host_service: HostService
) -> None:
    outcomes = probe(execute, to_addresses([BRIDGE_ADDRESS, MACHINE_ADDRESS]))
    assert set(outcomes.values()) == {"through"}
    assert host_service.notes.all(kind="tcp")
