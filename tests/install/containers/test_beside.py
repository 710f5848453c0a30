import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from install import contents, weights
from install.backup import parts as packed
from install.backup import sealed, trial
from install.config import Config, save
from install.containers import beside, machine, operating, project, states
from install.containers.beside import definition, made
from install.containers.errors import UnhealthyError
from install.errors import NotReadyError
from install.places import Places, make_folders
from tests.fakes import parts
from tests.fakes.docker_engine import FakeEngine

LIVE = "casemate-live"
MASTER_KEY = "of the backup"
SECRET = b"correct horse battery"
READY = {"ref": "m", "state": "ready", "since": 1}
NEEDED = ("inside", "edge")


def a_service(name: str) -> dict[str, object]:
    """As the plugin resolves it, as far as it matters here."""
    return {
        "image": f"casemate/{name}:1-a",
        "command": ["python3", "-m", "appliance", "serve"],
        "depends_on": {"lockdown": {"condition": "service_healthy"}},
        "environment": {
            "CASEMATE_DATABASE_URL": "postgresql://casemate@postgres.inside/casemate",
            "CASEMATE_AI_GATEWAY_URL": "http://gateway.inside:5052",
            "CASEMATE_INSTANCE_PUBLIC_URL": "https://ai.example",
            "CASEMATE_SECRETS_MOUNTED": "true",
        },
        "networks": {"edge": None, "inside": {"aliases": [f"{name}.inside"]}},
        "ports": [{"host_ip": "192.0.2.7", "published": "8080", "target": 8080}],
        "read_only": True,
        "restart": "always",
        "volumes": [
            {"type": "volume", "source": f"{name}-state", "target": "/var/lib/casemate"},
            {"type": "volume", "source": "lockdown-signs", "target": "/run/lockdown"},
        ],
    }


RESOLVED = {
    "name": LIVE,
    "services": {name: a_service(name) for name in ("lockdown", "instance", "gateway")},
    "networks": {name: {"name": f"{LIVE}_{name}"} for name in NEEDED},
    "volumes": {
        name: {"name": f"{LIVE}_{name}"}
        for name in ("instance-state", "gateway-state", "lockdown-signs", "postgres-state")
    },
    "secrets": {name: {"file": f"/live/{name}"} for name in ("master_key", "model_api_key")},
}


@pytest.fixture
def live(
    places: Places, containers_config: Config, small_model: Path, engine: FakeEngine
) -> Config:
    """Settings of a home whose containers run, as far as a trial looks at it."""
    secrets = project.secrets_folder(places)
    secrets.mkdir(parents=True)
    for name in ("master_key", "model_api_key", "postgres_password"):
        (secrets / name).write_text(f"{name} of here")
    image = {"image": "casemate/instance:1-a"}
    project.services_file(places).write_text(json.dumps({"services": {"instance": image}}))
    engine.resolved = RESOLVED
    parts.InstanceSurface.models = ()
    return replace(containers_config, model=str(small_model))


@pytest.fixture
def scratch(places: Places) -> Places:
    """A home that holds what a backup brought."""
    found = Places(home=places.trial, uid=places.uid)
    make_folders(found)
    project.secrets_folder(found).mkdir(parents=True)
    (project.secrets_folder(found) / "master_key").write_text(MASTER_KEY)
    contents.token_file(found).write_text(parts.TOKEN)
    return found


def left(engine: FakeEngine, scratch: Places) -> list[str]:
    """Containers and volumes of the trial."""
    name = machine.project_name(scratch)
    return [each for each in (*engine.containers, *engine.volumes) if each.startswith(name)]


def test_it_answers_on_ports_of_its_own_and_is_gone_after_it(
    places: Places, scratch: Places, live: Config, engine: FakeEngine
) -> None:
    model = weights.chosen_model(places, live)
    with made(places, live, scratch) as here:
        assert len(left(engine, scratch)) == 2
        assert here.ask(model)
        assert len(left(engine, scratch)) == 4
        assert here.settings.instance_port != live.instance_port
    assert left(engine, scratch) == []
    words = {each[0] for each in engine.commands}
    assert words == {"config", "run", "up"}, "nothing is done to what runs"


def test_it_has_the_master_key_of_the_backup_and_the_models_key_of_here(
    places: Places, scratch: Places, live: Config
) -> None:
    with made(places, live, scratch):
        secrets = project.secrets_folder(scratch)
        assert (secrets / "master_key").read_text() == MASTER_KEY
        assert (secrets / "model_api_key").read_text() == "model_api_key of here"
        assert project.image_of(scratch, "instance") == "casemate/instance:1-a"


def test_one_that_does_not_come_up_is_told_and_removed(
    places: Places, scratch: Places, live: Config, engine: FakeEngine
) -> None:
    engine.sick["trial-gateway"] = {"Health": {"Status": "unhealthy"}}
    model = weights.chosen_model(places, live)
    with pytest.raises(UnhealthyError, match="trial-gateway"), made(places, live, scratch) as here:
        here.ask(model)
    assert left(engine, scratch) == []


def test_what_a_killed_one_left_goes_with_the_next_and_with_down(
    places: Places, scratch: Places, live: Config, engine: FakeEngine
) -> None:
    name = machine.project_name(scratch)
    for act in (lambda: operating.forget_trial(places), lambda: operating.stop(places, live)):
        engine.volumes.add(f"{name}_instance-state")
        engine.start(name, "lockdown", "x")
        act()
        assert left(engine, scratch) == []
    engine.start(name, "lockdown", "x")
    with made(places, live, scratch):
        assert not engine.containers


@pytest.fixture
def backup(places: Places, live: Config, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Of a home that runs as containers."""
    monkeypatch.setattr(sealed, "COST", 2**4)
    contents.token_file(places).write_text(parts.TOKEN)
    save(places.config, live)
    snapshot = tmp_path / "snapshot.db"
    snapshot.write_bytes(b"a database")

    def fill(writer: sealed.Writer) -> int:
        return packed.pack(writer, places, facts={"containers": True}, snapshot=snapshot)

    sealed.write_whole(tmp_path / "x.backup", SECRET, facts={}, fill=fill)
    return tmp_path / "x.backup"


def test_a_backup_of_containers_is_asked_a_question(
    places: Places, live: Config, engine: FakeEngine, backup: Path
) -> None:
    with pytest.raises(NotReadyError, match="restored well, but no model runs"):
        trial.run(places, live, backup, passphrase=SECRET)
    engine.start(machine.project_name(places), "model-server", "casemate/model-server:1-a")
    engine.files[states.MODEL_STATE] = json.dumps({"models": [READY]}).encode()
    tried = trial.run(places, live, backup, passphrase=SECRET)
    assert tried.as_dict() == {
        "file": str(backup),
        "facts": {"containers": True},
        "database": {},
        "answer": "A network joins computers.",
    }
    assert not places.trial.exists()
    assert left(engine, Places(home=places.trial, uid=places.uid)) == []


def test_it_shares_networks_and_lock_and_no_name_volume_or_database(scratch: Places) -> None:
    settings = Config(containers=True, instance_port=28080, gateway_port=25052)
    told = definition(RESOLVED, scratch, settings)
    name = machine.project_name(scratch)
    assert set(told["services"]) == {"trial-instance", "trial-gateway"}
    for service, port in (("instance", "28080"), ("gateway", "25052")):
        own = told["services"][f"trial-{service}"]
        assert own["networks"]["inside"] == {"aliases": [f"trial-{service}.inside"]}
        assert own["ports"][0]["published"] == port
        assert own["ports"][0]["host_ip"] == "127.0.0.1"
        assert own["read_only"]
        assert "depends_on" not in own
        assert told["volumes"][f"{service}-state"]["name"] == f"{name}_{service}-state"
    assert told["volumes"]["lockdown-signs"] == {"external": True, "name": f"{LIVE}_lockdown-signs"}
    for network in NEEDED:
        assert told["networks"][network] == {"external": True, "name": f"{LIVE}_{network}"}
    environment = told["services"]["trial-instance"]["environment"]
    assert "CASEMATE_DATABASE_URL" not in environment
    assert environment["CASEMATE_INSTANCE_PUBLIC_URL"] == "http://127.0.0.1:28080"
    assert environment["CASEMATE_AI_GATEWAY_URL"] == "http://trial-gateway.inside:5052"
    assert environment["CASEMATE_SECRETS_MOUNTED"] == "true"
    assert all(each["file"].startswith(str(scratch.home)) for each in told["secrets"].values())


def test_what_it_was_made_from_is_left_as_it_was(scratch: Places) -> None:
    before = json.dumps(RESOLVED)
    definition(RESOLVED, scratch, Config(containers=True))
    assert json.dumps(RESOLVED) == before


def test_a_database_server_is_left_alone(places: Places, scratch: Places, live: Config) -> None:
    told = {
        "CASEMATE_DATABASE_URL": "postgresql://casemate@postgres.inside/casemate",
        "CASEMATE_ALLOWED_NETWORKS": "10.0.0.0/8",
    }
    with made(places, replace(live, handed_on=told), scratch) as here:
        assert here.settings.handed_on == {"CASEMATE_ALLOWED_NETWORKS": "10.0.0.0/8"}


def test_a_home_without_secrets_is_told(places: Places, scratch: Places, live: Config) -> None:
    shutil.rmtree(project.secrets_folder(places))
    with pytest.raises(OSError, match="model_api_key"), made(places, live, scratch):
        pass


def test_the_ports_are_those_of_the_shipped_file() -> None:
    text = project.compose_file().read_text()
    for port in beside.PORTS.values():
        assert f"target: {port}" in text
