"""No way out of compose.yaml's networks, at no moment."""

import json
from collections.abc import Callable, Iterator
from functools import partial

import pytest

from tests.conftest import wait_until
from tests.system.containers.idle import (
    IDLE_PORTS,
    SERVICES,
    Compose,
    Containers,
    brought_up,
    forget,
)
from tests.system.containers.machine import Machine
from tests.system.containers.outside import FAR, MACHINE_ADDRESS, HostService, Outside
from tests.system.containers.probing import attempt

BACK_WITHIN_S = 60


@pytest.fixture(scope="module")
def locked(
    machine: Machine,
    outside: Outside,
    host_service: HostService,
    compose: Compose,
    lockdown: Callable[[str], str],
) -> Iterator[Containers]:
    """What was noted is forgotten before the containers start, and never again."""
    forget(outside, host_service)
    with brought_up(machine, compose, remove_lock=lambda: lockdown("remove")) as containers:
        yield containers


def assert_all_answer(machine: Machine, outside: Outside) -> None:
    """A container that runs again listens a moment later."""
    for port in IDLE_PORTS.values():
        asked = [partial(machine.get, f"http://127.0.0.1:{port}/")]
        at_cable = f"http://{MACHINE_ADDRESS}:{port}/"
        asked += [partial(machine.get, at_cable), partial(outside.get, at_cable)]
        for get in asked:
            wait_until(partial(answers, get))


def answers(get: Callable[[], str]) -> bool:
    try:
        return "reached" in get()
    except AssertionError:
        return False


def assert_nothing_arrived(outside: Outside, host_service: HostService) -> None:
    """But for what the machine itself answered to questions from outside."""
    assert [each for each in outside.notes.all() if each["source"] != MACHINE_ADDRESS] == []
    assert host_service.notes.all() == []


def all_run(containers: Containers) -> bool:
    names = [containers.container(service) for service in (*SERVICES, "lockdown")]
    told = json.loads(containers.machine.docker("inspect", *names).stdout)
    states = [each["State"] for each in told]
    health = [each.get("Health", {}).get("Status", "healthy") for each in states]
    return all(each["Running"] for each in states) and set(health) == {"healthy"}


def test_nothing_gets_out_and_nothing_of_the_host_is_reached(
    locked: Containers, outside: Outside, host_service: HostService
) -> None:
    found = locked.probe_all()
    for service in SERVICES:
        assert found[service].reached == {}, service
        assert len(found[service].peers) == len(SERVICES) - 1, service
    assert outside.notes.all() == []
    assert host_service.notes.all() == []


def test_published_ports_answer_the_host_and_the_outside(
    locked: Containers, machine: Machine, outside: Outside, host_service: HostService
) -> None:
    assert all_run(locked)
    assert_all_answer(machine, outside)
    assert_nothing_arrived(outside, host_service)


def test_the_lock_counts_what_it_drops(locked: Containers, lockdown: Callable[[str], str]) -> None:
    before = json.loads(lockdown("show"))
    assert before["held"]
    locked.probe("gateway", [attempt("udp", FAR), attempt("udp", MACHINE_ADDRESS)])
    after = json.loads(lockdown("show"))
    for hook in ("input", "forward"):
        assert after["dropped"][hook] > before["dropped"][hook]


@pytest.mark.parametrize("ends", [("restart", "-t", "1"), ("kill", "-s", "KILL"), ("stop",)])
def test_the_lock_holds_without_its_keeper(
    ends: tuple[str, ...],
    locked: Containers,
    machine: Machine,
    lockdown: Callable[[str], str],
    outside: Outside,
    host_service: HostService,
) -> None:
    machine.docker(*ends, locked.container("lockdown"))
    assert json.loads(lockdown("show"))["held"]
    machine.docker("start", locked.container("lockdown"))
    assert_all_answer(machine, outside)
    assert_nothing_arrived(outside, host_service)


def test_a_lock_that_somebody_removed_is_put_back(
    locked: Containers, lockdown: Callable[[str], str]
) -> None:
    wait_until(lambda: all_run(locked))
    lockdown("remove")
    wait_until(lambda: json.loads(lockdown("show"))["held"])


@pytest.mark.parametrize("end", ["kill", "cut"])
def test_an_engine_that_dies_leaves_no_moment_without_the_lock(
    end: str,
    locked: Containers,
    machine: Machine,
    outside: Outside,
    host_service: HostService,
) -> None:
    forget(outside, host_service)
    machine.tell(end)
    if end == "cut":
        host_service.start()
    machine.start()
    wait_until(lambda: all_run(locked), BACK_WITHIN_S)
    assert_all_answer(machine, outside)
    assert_nothing_arrived(outside, host_service)


def test_a_reboot_leaves_no_moment_without_the_lock(
    locked: Containers, machine: Machine, outside: Outside, host_service: HostService
) -> None:
    """The kernel forgets its rules, and the engine starts containers in no order."""
    signs = machine.folder / "data" / "volumes" / "idle_lockdown-signs" / "_data"
    outside.disconnect()
    machine.switch_off()
    # All boots of this machine are one boot of the kernel below.
    (signs / "held").write_text("of an earlier boot\n")
    machine.switch_on()
    outside.connect()
    host_service.start()
    forget(outside, host_service)
    machine.start()
    wait_until(lambda: all_run(locked), BACK_WITHIN_S)
    assert_all_answer(machine, outside)
    assert_nothing_arrived(outside, host_service)
