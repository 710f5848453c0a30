import io
import json
import signal
import socket
from pathlib import Path

import pytest

from install import contents, demo_licence
from install.config import Config
from install.containers import project, states, up
from install.containers.errors import (
    BuildError,
    GpuMissingError,
    NetworkError,
    PortTakenError,
    UnhealthyError,
)
from install.errors import (
    InterruptError,
    RunsOtherwiseError,
    SetUpCommandError,
    UnfitMachineError,
)
from install.options import UpOptions
from install.outcome import Outcome
from install.places import Places
from install.progress import CONTAINER_STEPS, Display
from install.slots import slot
from tests.fakes.docker_engine import FakeEngine
from tests.install.conftest import Run

SERVICES = ("lockdown", "model-server", "instance", "gateway")


@pytest.fixture
def go_up(
    ready_home: Places,
    containers_config: Config,
    small_model: Path,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
) -> "GoUp":
    assert engine.images
    # The stand-in does nothing that it was not asked for a moment ago.
    monkeypatch.setattr("install.containers.undoing.SETTLED_S", 0.0)
    return GoUp(ready_home, containers_config, small_model)


class GoUp:
    """Runs `up --compose` with the settings of a test."""

    def __init__(self, places: Places, settings: Config, model: Path) -> None:
        self.places = places
        self._settings = settings
        self._model = model
        self.said = io.StringIO()

    def __call__(self, **flags: object) -> Outcome:
        told = {
            "instance_port": self._settings.instance_port,
            "gateway_port": self._settings.gateway_port,
            "model": str(self._model),
            "device": "cpu",
            "containers": True,
            **flags,
        }
        options = UpOptions(json=False, foreground=False, compose=True, flags=told)
        display = Display(self.said, live=False, colour=False, steps=CONTAINER_STEPS)
        return up.run(self.places, options, display)


def test_up_builds_fills_starts_and_ends_with_an_answer(go_up: GoUp, engine: FakeEngine) -> None:
    outcome = go_up()
    assert outcome.answer == "A network joins computers."
    assert outcome.restarted == SERVICES
    assert len(engine.built) == 4
    assert contents.password_file(go_up.places).read_text() == "geheim\n"
    assert contents.token_file(go_up.places).stat().st_mode & 0o777 == 0o600
    assert "9/9 Ask a first question" in go_up.said.getvalue()


def test_a_second_up_builds_restarts_and_changes_nothing(go_up: GoUp, engine: FakeEngine) -> None:
    assert go_up().is_demo_licence
    secrets = project.secrets_folder(go_up.places)
    before = {path.name: path.read_bytes() for path in secrets.iterdir()}
    running = {name: each["Id"] for name, each in engine.containers.items()}
    engine.built.clear()
    assert go_up().restarted == ()
    assert engine.built == []
    assert len(engine.licensed["licences"]) == 1
    assert {name: each["Id"] for name, each in engine.containers.items()} == running
    assert {path.name: path.read_bytes() for path in secrets.iterdir()} == before


def test_a_bundles_images_run_in_place_of_built_ones(
    go_up: GoUp, engine: FakeEngine, small_model: Path
) -> None:
    images = {name: f"casemate/{name}:2-abc" for name in (*SERVICES, "toolbox")}
    for tag in images.values():
        engine.add_image(tag)
    home = go_up.places.home
    go_up.places.pointer.symlink_to("slots/a")
    (home / "slots").mkdir()
    (home / "envs").rename(home / "slots" / "a")
    model = slot.SlotModel(
        ref="carried", name="Carried", family="general", context_tokens=None, path=str(small_model)
    )
    facts = slot.Slot(
        release="2.0.0",
        schema_generation=1,
        bundle="0" * 64,
        device="cpu",
        models=(model,),
        images=images,
    )
    slot.write(home / "slots" / "a", facts)
    outcome = go_up(model="starter")
    assert (outcome.model, outcome.answer) == ("carried", "A network joins computers.")
    assert engine.built == []
    told = json.loads(project.services_file(go_up.places).read_text())["services"]
    assert {name: told[name]["image"] for name in told} == {name: images[name] for name in SERVICES}


def test_no_secret_is_in_an_argument_or_an_environment(go_up: GoUp, engine: FakeEngine) -> None:
    go_up()
    shown = json.dumps([engine.commands, engine.environments, engine.built])
    for path in (
        *project.secrets_folder(go_up.places).iterdir(),
        contents.password_file(go_up.places),
        contents.token_file(go_up.places),
    ):
        assert path.read_text().strip() not in shown
    assert demo_licence.key_file(go_up.places).read_text().splitlines()[1] not in shown


def test_a_service_that_fails_is_named_with_its_log_and_all_is_taken_down(
    go_up: GoUp, engine: FakeEngine
) -> None:
    engine.sick["gateway"] = {"Health": {"Status": "unhealthy"}}
    with pytest.raises(UnhealthyError, match=r"(?s)gateway is unhealthy.*the end of .*gateway"):
        go_up()
    assert engine.containers == {}


def test_what_ran_before_goes_on_when_an_up_fails(go_up: GoUp, engine: FakeEngine) -> None:
    go_up()
    del engine.containers[next(name for name in engine.containers if "gateway" in name)]
    engine.close()
    engine.sick["gateway"] = {"Status": "exited", "restarts": states.RESTARTS, "ExitCode": 3}
    with pytest.raises(UnhealthyError, match="restarted 3 times and ends with 3"):
        go_up()
    left = sorted(name.split("-")[2] for name in engine.containers)
    assert left == ["instance", "lockdown", "model"]


def test_a_model_server_that_ends_is_named_when_the_instance_cannot_find_it(
    go_up: GoUp, engine: FakeEngine
) -> None:
    engine.sick["model-server"] = {"Status": "restarting", "ExitCode": 1}
    engine.broken["run"] = (2, "The host model-server.inside cannot be resolved.")
    with pytest.raises(UnhealthyError, match="model-server is failing"):
        go_up()
    del engine.sick["model-server"]
    with pytest.raises(SetUpCommandError, match="cannot be resolved"):
        go_up()


def test_a_model_that_cannot_start_is_told_with_its_reason(go_up: GoUp, engine: FakeEngine) -> None:
    engine.sick["model-server"] = {"Health": {"Status": "starting"}}
    state = {"ref": "m", "state": "failed", "reason": "Too little memory.", "since": 1 << 40}
    engine.files[states.MODEL_STATE] = json.dumps({"models": [state]}).encode()
    with pytest.raises(UnhealthyError, match="Too little memory"):
        go_up()


@pytest.mark.parametrize("command", ["run", "up"])
def test_an_interrupt_leaves_no_container(
    go_up: GoUp, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    real = project.Project.run

    def interrupted(self: project.Project, *words: str, **more: object) -> object:
        done = real(self, *words, **more)  # type: ignore[arg-type]  # handed on as they are
        if words[0] == command:
            raise InterruptError
        return done

    monkeypatch.setattr(project.Project, "run", interrupted)
    down: dict[str, list[str]] = {"--project-name": [""]}
    monkeypatch.setattr(
        "install.containers.operating.take_down", lambda *_: engine.run_compose(["down"], "", down)
    )
    with pytest.raises(InterruptError, match="taken down again"):
        go_up()
    assert engine.containers == {}


def test_a_build_that_fails_starts_nothing_and_leaves_nothing(
    go_up: GoUp, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("install.containers.leftovers.SETTLED_S", 0.0)
    engine.build_error = "returned a non-zero code: 1"
    with pytest.raises(BuildError, match="lockdown could not be built: pip Error"):
        go_up()
    assert "<none>" not in engine.images
    assert engine.containers == {}


def test_a_port_that_was_taken_in_between_is_told(go_up: GoUp, engine: FakeEngine) -> None:
    engine.broken["up"] = (1, "Bind for 127.0.0.1:8080 failed: port is already allocated")
    with pytest.raises(PortTakenError, match="The port 8080 was taken"):
        go_up()


def test_a_gpu_that_the_engine_cannot_give_stops_it_before_anything(
    go_up: GoUp, engine: FakeEngine
) -> None:
    with pytest.raises(GpuMissingError):
        go_up(gpus="all")
    assert engine.built == []


def test_a_home_of_processes_is_refused(go_up: GoUp) -> None:
    go_up.places.filled_processes.parent.mkdir(exist_ok=True)
    go_up.places.filled_processes.touch()
    with pytest.raises(RunsOtherwiseError, match="CASEMATE_HOME"):
        go_up()


def test_another_containers_port_is_named(
    go_up: GoUp, engine: FakeEngine, containers_config: Config
) -> None:
    web = engine.add_container("web", "web", {})
    web["Ports"] = [{"PublicPort": containers_config.gateway_port}]
    with (
        socket.create_server(("127.0.0.1", containers_config.gateway_port)),
        pytest.raises(UnfitMachineError, match="by the container web"),
    ):
        go_up()


def test_up_status_logs_users_and_down_as_a_person_types_them(
    go_up: GoUp, casemate: Run, engine: FakeEngine
) -> None:
    go_up()
    assert casemate("up", "--compose")[0] == 0
    code, out, _ = casemate("status", "--json")
    assert (code, json.loads(out)["state"]) == (0, "ready")
    assert casemate("logs", "gateway")[0] == 0
    assert casemate("logs", "nginx")[0] == 2
    assert casemate("users", "create", "anna")[0] == 0
    code, _, err = casemate("up")
    assert (code, "give --compose" in err) == (2, True)
    assert casemate("down")[1].startswith("4 containers ended")
    assert engine.commands[-1][-3:] == ["-m", "install.lockdown", "remove"]
    assert casemate("status")[0] == 3
    assert casemate("users", "create", "anna")[0] == 3
    assert casemate("down")[1] == "Nothing was running.\n"


def test_a_network_that_cannot_be_made_is_told_as_one(go_up: GoUp, engine: FakeEngine) -> None:
    said = "Error response from daemon: could not find an available IPv4 address pool"
    engine.broken["run"] = (1, said)
    with pytest.raises(NetworkError, match="no addresses left"):
        go_up()
    assert engine.containers == {}


def test_signals_are_dealt_with_again_after_a_failure(go_up: GoUp, engine: FakeEngine) -> None:
    before = signal.getsignal(signal.SIGTERM)
    engine.broken["run"] = (1, "broken")
    with pytest.raises(SetUpCommandError):
        go_up()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_failure_is_told_also_when_taking_down_fails_too(go_up: GoUp, engine: FakeEngine) -> None:
    engine.broken |= {"run": (1, "the first"), "down": (1, "the second")}
    with pytest.raises(SetUpCommandError, match="the first"):
        go_up()
    assert "Not all could be taken down again. `docker compose down`" in go_up.said.getvalue()
