"""What stands in the way: one sentence, a code, an exit code, and nothing left half up."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.model_server.builders import a_model_folder
from tests.system.containers.driver import ContainerAppliance
from tests.system.containers.images import build_model_server
from tests.system.containers.machine import Done, Machine, grandchild_of
from tests.system.containers.outside import PORT, HostService
from tests.system.containers.prepared import Prepared
from tests.system.containers.stub_vllm import BROKEN
from tests.system.driver import CLONE, PYTHON

FAILED, UNFIT, INTERRUPTED = 1, 2, 130
SETTLED_S = 2.0
OTHER_PORTS = {"CASEMATE_INSTANCE_PORT": "8090", "CASEMATE_GATEWAY_PORT": "5062"}

# Memory that plays a small disk: images fit as they are, and what is built on them does not.
DISK_BYTES = 1_700_000_000
FILLED_BYTES = 1_400_000_000


def another(appliance: ContainerAppliance, home: Path) -> ContainerAppliance:
    """A home that nothing was set up in, beside the first; it saves making the same programs."""
    home.mkdir(exist_ok=True)
    if not (home / "envs").exists():
        (home / "envs").symlink_to(appliance.home / "envs")
    return ContainerAppliance(
        machine=appliance.machine, home=home, model_server_image=appliance.model_server_image
    )


@pytest.fixture
def new_home(appliance: ContainerAppliance, tmp_path: Path) -> Iterator[ContainerAppliance]:
    """What a failing test leaves of it is not the next one's."""
    made = another(appliance, tmp_path / "home")
    yield made
    made.containers.remove()


def everything(machine: Machine) -> dict[str, list[str]]:
    """What the engine has of each kind, but for volumes, which hold data."""
    look = {
        "containers": ("ps", "-a", "-q"),
        "networks": ("network", "ls", "-q"),
        "unnamed images": ("images", "-q", "--filter", "dangling=true"),
    }
    return {name: sorted(machine.docker(*words).stdout.split()) for name, words in look.items()}


def assert_stays_as(before: dict[str, list[str]], machine: Machine) -> None:
    """The engine finishes what it was asked for, also when nobody waits for it any more."""
    until = time.monotonic() + SETTLED_S
    while time.monotonic() < until:
        assert everything(machine) == before


def refused(done: Done) -> tuple[int, str, str]:
    """Exit code, code and sentence."""
    told = json.loads(done.stdout.splitlines()[-1])["error"]
    return done.returncode, told["code"], told["message"]


def test_no_engine(new_home: ContainerAppliance) -> None:
    done = new_home.try_up(DOCKER_HOST="unix:///run/no-engine.sock")
    exit_code, code, sentence = refused(done)
    assert (exit_code, code) == (UNFIT, "engine_missing")
    assert "/run/no-engine.sock" in sentence
    assert [path.name for path in new_home.home.iterdir()] == ["envs"]


def test_no_compose_plugin(new_home: ContainerAppliance, tmp_path: Path) -> None:
    without = {"DOCKER_CONFIG": str(tmp_path)}
    if new_home.run("docker", "compose", "version", **without).returncode == 0:
        pytest.skip("the plugin is installed for everybody on this machine")
    exit_code, code, sentence = refused(new_home.try_up(**without))
    assert (exit_code, code) == (UNFIT, "compose_missing")
    assert "compose" in sentence


def test_a_port_that_a_program_holds(
    new_home: ContainerAppliance, host_service: HostService
) -> None:
    assert host_service.notes.path.exists()
    ports = {**OTHER_PORTS, "CASEMATE_GATEWAY_PORT": str(PORT)}
    exit_code, code, sentence = refused(new_home.try_up(**ports))
    assert (exit_code, code) == (UNFIT, "machine_unfit")
    assert str(PORT) in sentence


def test_a_port_that_another_appliance_holds(
    appliance: ContainerAppliance, new_home: ContainerAppliance
) -> None:
    exit_code, code, sentence = refused(new_home.try_up())
    assert (exit_code, code) == (UNFIT, "machine_unfit")
    assert f"{appliance.containers.project}-instance-1" in sentence


def test_a_gpu_that_is_not_there(new_home: ContainerAppliance, machine: Machine) -> None:
    before = everything(machine)
    exit_code, code, _ = refused(new_home.try_up("--gpus", "all", **OTHER_PORTS))
    assert (exit_code, code) == (UNFIT, "gpu_missing")
    assert everything(machine) == before


@pytest.mark.parametrize("variable", ["CASEMATE_BASE_IMAGE", "CASEMATE_MODEL_SERVER_IMAGE"])
def test_an_image_that_is_nowhere(
    variable: str, new_home: ContainerAppliance, machine: Machine, host_service: HostService
) -> None:
    assert host_service.notes.path.exists(), "which says that there is no such registry"
    before = everything(machine)
    named = {variable: "registry.nowhere.test/some/image:1"}
    exit_code, code, sentence = refused(new_home.try_up(**OTHER_PORTS, **named))
    assert (exit_code, code) == (FAILED, "image_missing")
    assert "registry.nowhere.test/some/image:1" in sentence
    assert everything(machine) == before


def test_a_model_that_does_not_start(
    new_home: ContainerAppliance, machine: Machine, tmp_path: Path
) -> None:
    before = everything(machine)
    model = a_model_folder(tmp_path / BROKEN)
    exit_code, code, sentence = refused(new_home.try_up("--model", str(model), **OTHER_PORTS))
    assert (exit_code, code) == (FAILED, "service_not_ready")
    assert BROKEN in sentence
    assert everything(machine) == before


def start_up(appliance: ContainerAppliance) -> subprocess.Popen[str]:
    """`up --compose` as somebody sits before it, with other ports."""
    model = a_model_folder(appliance.machine.folder / "stub-model")
    up = ("-m", "install", "up", "--compose", "--json", "--model", str(model))
    return subprocess.Popen(
        [*appliance.machine.door, "env", "--chdir", str(CLONE), str(PYTHON), *up],
        env={**appliance.machine.environment, **appliance.environment, **OTHER_PORTS},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def wait_for(process: subprocess.Popen[str], step: str) -> None:
    assert process.stderr is not None
    said = []
    for line in process.stderr:
        said.append(line)
        if step in line:
            return
    pytest.fail("".join(said))


@pytest.mark.parametrize("step", ["first contents ...", "Start the containers ..."])
def test_an_interrupted_up_leaves_nothing_half_up(
    step: str, new_home: ContainerAppliance, machine: Machine
) -> None:
    before = everything(machine)
    with start_up(new_home) as process:
        wait_for(process, step)
        os.kill(grandchild_of(process.pid), signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == INTERRUPTED
    assert_stays_as(before, machine)


@pytest.fixture(scope="module")
def small_machine(prepared: Prepared, short_tmp: Path) -> Iterator[Machine]:
    """An engine of its own whose disk is small."""
    made = Machine(folder=short_tmp.parent / "s", prepared=prepared)
    made.switch_on()
    data = made.folder / "data"
    data.mkdir()
    made.inside("mount", "-t", "tmpfs", "-o", f"size={DISK_BYTES}", "tmpfs", str(data))
    made.start()
    made.take_base_image()
    build_model_server(made, "casemate-tests/model-server:1")
    yield made
    made.throw_away()


@pytest.fixture
def small(
    appliance: ContainerAppliance, small_machine: Machine, tmp_path: Path
) -> ContainerAppliance:
    made = another(appliance, tmp_path / "home")
    made.machine = small_machine
    return made


def test_an_interrupted_build_leaves_no_half_image(
    small: ContainerAppliance, small_machine: Machine
) -> None:
    before = everything(small_machine)
    with start_up(small) as process:
        wait_for(process, "Images ...")
        os.kill(grandchild_of(process.pid), signal.SIGINT)
        process.communicate(timeout=120)
    assert process.returncode == INTERRUPTED
    assert_stays_as(before, small_machine)


def test_a_disk_that_runs_full_while_images_are_built(
    small: ContainerAppliance, small_machine: Machine
) -> None:
    before = everything(small_machine)
    filler = small_machine.folder / "data" / "filler"
    with start_up(small) as process:
        wait_for(process, "Images ...")
        small_machine.inside("fallocate", "--length", str(FILLED_BYTES), str(filler))
        out, err = process.communicate(timeout=120)
    told = json.loads(out.splitlines()[-1])["error"]
    assert (process.returncode, told["code"]) == (FAILED, "disk_full"), err
    assert "ran full" in told["message"]
    assert everything(small_machine) == before
    exit_code, code, sentence = refused(small.try_up())
    assert (exit_code, code) == (FAILED, "disk_full")
    assert "needed to build" in sentence
    small_machine.inside("rm", str(filler))
