import subprocess
from pathlib import Path

import pytest

from install.config import Config
from install.containers.engine import Engine
from install.containers.machine import project_name
from install.containers.moment import ENVIRONMENT, Moment
from install.containers.project import compose_file
from install.places import Places
from tests.fakes.docker_engine import FakeEngine

URL = "postgresql://casemate@postgres.inside/casemate"


def a_moment(places: Places, found: Engine, **handed_on: str) -> Moment:
    config = Config(containers=True, handed_on=handed_on)
    return Moment(places=places, config=config, engine=found, image="casemate/instance:1-abc")


def test_it_has_the_volume_the_secrets_and_no_network(places: Places, found: Engine) -> None:
    command = a_moment(places, found).command(["database", "rehearse"])
    assert command[command.index("--network") + 1] == "none"
    assert f"{project_name(places)}_instance-state:/var/lib/casemate" in command
    assert [each for each in command if each.endswith("/run/secrets/master_key:ro")]
    assert command[-5:] == [*("casemate/instance:1-abc", "-m", "appliance", "database", "rehearse")]


def test_a_database_server_is_reached_where_it_is_and_told_by_the_environment_alone(
    places: Places, found: Engine
) -> None:
    moment = a_moment(places, found, CASEMATE_DATABASE_URL=URL)
    command = moment.command(["database", "rehearse"])
    assert command[command.index("--network") + 1] == f"{project_name(places)}_inside"
    assert URL not in " ".join(command)
    assert moment.environment()["CASEMATE_DATABASE_URL"] == URL


def test_it_is_told_of_its_secrets_as_in_the_compose_file(
    places: Places, found: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    told = compose_file().read_text().replace('"', "").splitlines()
    assert {f"      {name}: {value}" for name, value in ENVIRONMENT.items()} <= set(told)
    monkeypatch.setenv("CASEMATE_DATABASE_URL", "of-the-shell")
    assert "CASEMATE_DATABASE_URL" not in a_moment(places, found).environment()


def test_data_is_there_once_the_volume_is(
    places: Places, found: Engine, engine: FakeEngine
) -> None:
    moment = a_moment(places, found)
    assert not moment.has_data
    engine.volumes.add(f"{project_name(places)}_instance-state")
    assert moment.has_data


def test_it_says_what_the_program_said(
    places: Places, found: Engine, engine: FakeEngine, tmp_path: Path
) -> None:
    assert tmp_path.exists()
    engine.broken["run"] = (1, "the migration failed")
    done: subprocess.CompletedProcess[str] = a_moment(places, found).run(["database", "rehearse"])
    assert (done.returncode, done.stderr) == (1, "the migration failed")
