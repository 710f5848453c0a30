"""Each part of the lock is what holds it: without the part, the same probe gets out."""

import copy
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager

import pytest

from tests.system.containers.idle import PORTS, Compose, Containers, brought_up, forget
from tests.system.containers.machine import Machine
from tests.system.containers.outside import ADDRESS, FAR, MACHINE_ADDRESS, HostService, Outside
from tests.system.containers.probing import attempt

BRIDGE_OPTION = "com.docker.network.bridge"
QUESTION = "without.dns.line.test"

BroughtUp = Callable[..., AbstractContextManager[Containers]]


@pytest.fixture
def up(
    machine: Machine,
    outside: Outside,
    host_service: HostService,
    lockdown: Callable[[str], str],
) -> BroughtUp:
    """Brings some services of a changed compose.yaml up."""
    forget(outside, host_service)

    def bring_up(compose: Compose, *services: str) -> AbstractContextManager[Containers]:
        return brought_up(machine, compose, *services, remove_lock=lambda: lockdown("remove"))

    return bring_up


@pytest.fixture
def changed(compose: Compose) -> Compose:
    """To be changed by one test alone."""
    return copy.deepcopy(compose)


@pytest.fixture
def outside_that_knows_no_way_back(outside: Outside) -> Iterator[None]:
    outside.forget_the_way_back()
    yield
    outside.learn_the_way_back()


def open_inside(compose: Compose) -> None:
    compose["networks"]["inside"].pop("internal")


def give_the_host_its_address(compose: Compose) -> None:
    compose["networks"]["inside"]["driver_opts"].pop(f"{BRIDGE_OPTION}.inhibit_ipv4")


def leave_the_lock_out(compose: Compose) -> None:
    compose["services"].pop("lockdown")
    for name in ("instance", "gateway"):
        compose["services"][name].pop("entrypoint")
        compose["services"][name].pop("depends_on")


def reached_here(containers: Containers, service: str) -> dict[str, str]:
    """Whether a service listens within its own container."""
    found = containers.probe(service, [attempt("tcp", "127.0.0.1", PORTS[service])])
    return {label: how for label, how in found.items() if how == "through"}


def inside_gateway(containers: Containers) -> str:
    """The address that a container on `inside` takes for its way out."""
    name = containers.container("model-server")
    look = "{{range .NetworkSettings.Networks}}{{.Gateway}}{{end}}"
    return containers.machine.docker("inspect", "--format", look, name).stdout.strip()


def test_without_internal_only_the_missing_address_holds_the_model_server(
    up: BroughtUp, changed: Compose
) -> None:
    open_inside(changed)
    out = [attempt("tcp", ADDRESS)]
    with up(changed, "model-server") as containers:
        assert containers.probe("model-server", out) == {}
    give_the_host_its_address(changed)
    with up(changed, "model-server") as containers:
        assert containers.probe("model-server", out)


def test_without_the_missing_address_services_of_the_host_are_reached(
    up: BroughtUp, changed: Compose, host_service: HostService
) -> None:
    give_the_host_its_address(changed)
    with up(changed, "model-server") as containers:
        host = attempt("tcp", inside_gateway(containers))
        found = containers.probe("model-server", [host, attempt("tcp", ADDRESS)])
        assert list(found) == [host["label"]]
        assert host["label"] in {each["label"] for each in containers.attempts("gateway")}
    assert host_service.notes.all(kind="tcp")


def test_without_the_lock_what_joins_the_edge_gets_out_and_reaches_the_host(
    up: BroughtUp, changed: Compose, host_service: HostService, outside: Outside
) -> None:
    leave_the_lock_out(changed)
    with up(changed, "gateway") as containers:
        out = [attempt(way, FAR) for way in ("tcp", "udp", "dns", "dns_tcp", "ping")]
        found = containers.probe("gateway", [*out, attempt("tcp", MACHINE_ADDRESS)])
    assert set(found.values()) == {"through"}
    assert len(found) == len(out) + 1
    assert outside.notes.all(kind="packet")
    assert host_service.notes.all(kind="tcp")


def test_nothing_starts_on_an_edge_without_a_lock(
    up: BroughtUp, changed: Compose, outside: Outside
) -> None:
    changed["services"].pop("lockdown")
    for name in ("instance", "gateway"):
        changed["services"][name].pop("depends_on")
    with up(changed, "gateway") as containers:
        assert reached_here(containers, "gateway") == {}
    assert outside.notes.all(kind="packet") == []


@pytest.mark.usefixtures("outside_that_knows_no_way_back")
@pytest.mark.parametrize("translated", [False, True])
def test_without_lock_and_with_translation_answers_find_their_way_back(
    translated: bool, up: BroughtUp, changed: Compose
) -> None:
    leave_the_lock_out(changed)
    options = changed["networks"]["edge"]["driver_opts"]
    if translated:
        options.pop(f"{BRIDGE_OPTION}.enable_ip_masquerade")
    with up(changed, "gateway") as containers:
        found = containers.probe("gateway", [attempt("tcp", FAR)])
    assert bool(found) == translated


@pytest.mark.parametrize("has_line", [True, False])
def test_without_the_dns_line_the_engine_asks_the_hosts_resolver(
    has_line: bool, up: BroughtUp, changed: Compose, host_service: HostService
) -> None:
    if not has_line:
        changed["services"]["model-server"].pop("dns")
    with up(changed, "model-server") as containers:
        containers.probe("model-server", [attempt("resolver", "", name=QUESTION)])
    asked = host_service.notes.all(kind="dns", name=QUESTION)
    assert bool(asked) != has_line
