"""One private engine for all tests here, an outside world, and the project's images built once."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.system.containers.driver import ContainerAppliance
from tests.system.containers.idle import IDLE_PORTS, Compose, idle, resolved
from tests.system.containers.images import build_lockdown, build_model_server
from tests.system.containers.machine import Machine
from tests.system.containers.outside import HostService, Notes, Outside
from tests.system.containers.prepared import NoEngineError, Prepared, prepare

LOCKDOWN = "casemate-tests/lockdown:1"
MODEL_SERVER = "casemate-tests/model-server:1"
BRIDGE = "casemate-idle"
EVERYWHERE = "0.0.0.0"  # noqa: S104  # what an administrator sets who opens the ports


def unavailable(missing: NoEngineError) -> None:
    """Skips loudly on a developer's machine, and fails where all must run."""
    if os.environ.get("CI") == "true":
        pytest.fail(f"engine tests cannot run: {missing}", pytrace=False)
    pytest.skip(f"ENGINE TESTS NOT RUN: {missing}")


@pytest.fixture(scope="session")
def prepared() -> Prepared:
    try:
        return prepare()
    except NoEngineError as missing:
        unavailable(missing)
        raise


@pytest.fixture(scope="session")
def short_tmp(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The engine's socket lies in it, and a socket's path has at most 107 bytes."""
    return tmp_path_factory.mktemp("e")


@pytest.fixture(scope="session")
def machine(prepared: Prepared, short_tmp: Path) -> Iterator[Machine]:
    """A running engine that has the base image, on a machine with a cable to the outside."""
    made = Machine(folder=short_tmp, prepared=prepared)
    try:
        made.switch_on()
        made.start()
    except NoEngineError as missing:
        made.throw_away()
        unavailable(missing)
    made.take_base_image()
    yield made
    made.throw_away()


@pytest.fixture(scope="session")
def outside(machine: Machine) -> Iterator[Outside]:
    """What a container that gets out would meet."""
    made = Outside(machine=machine, notes=Notes(machine.folder / "outside.jsonl"))
    made.connect()
    yield made
    made.disconnect()


@pytest.fixture(scope="session")
def host_service(machine: Machine) -> HostService:
    """What a container that reaches its host would meet."""
    made = HostService(machine=machine, notes=Notes(machine.folder / "host.jsonl"))
    made.start()
    return made


@pytest.fixture(scope="session")
def lockdown_image(machine: Machine) -> str:
    """The image that keeps the edge locked: the appliance's own, if it was brought up before."""
    built = machine.docker("images", "--format", "{{.Repository}}:{{.Tag}}", "casemate/lockdown")
    if built.stdout:
        return built.stdout.split()[0]
    build_lockdown(machine, LOCKDOWN)
    return LOCKDOWN


@pytest.fixture(scope="session")
def compose(machine: Machine, lockdown_image: str) -> Compose:
    """compose.yaml with restless containers in it, open to all that may ask."""
    ports = {f"CASEMATE_{name.upper()}_PORT": str(port) for name, port in IDLE_PORTS.items()}
    found = resolved(machine, CASEMATE_LISTEN=EVERYWHERE, CASEMATE_EDGE_BRIDGE=BRIDGE, **ports)
    made = idle(found, machine.base_image)
    made["services"]["lockdown"]["image"] = lockdown_image
    return made


@pytest.fixture(scope="session")
def lockdown(machine: Machine, lockdown_image: str) -> Callable[[str], str]:
    """Runs one command of the lock's program on the bridge of the idle project."""

    def run(word: str) -> str:
        host = ("--network", "host", "--cap-drop", "ALL", "--cap-add", "NET_ADMIN")
        program = (lockdown_image, "python3", "-m", "install.lockdown", word, BRIDGE)
        return machine.docker("run", "--rm", *host, *program, check=word == "remove").stdout

    return run


@pytest.fixture(scope="session")
def model_server_image(machine: Machine) -> str:
    """The project's own image of the model server, with a stub in vLLM's place."""
    build_model_server(machine, MODEL_SERVER)
    return MODEL_SERVER


@pytest.fixture(scope="session")
def appliance(machine: Machine, model_server_image: str) -> Iterator[ContainerAppliance]:
    """The whole appliance as containers, brought up as a user would."""
    made = ContainerAppliance(
        machine=machine, home=machine.folder / "home", model_server_image=model_server_image
    )
    made.up()
    yield made
    done = made.casemate("down")
    made.forget()
    assert done.returncode == 0, done.stdout + done.stderr
