from dataclasses import replace

import pytest

from install.config import Config
from install.containers import operating
from install.containers.errors import UnhealthyError
from install.places import Places
from tests.fakes.docker_engine import FakeEngine

URL = "postgresql://casemate@postgres.inside/casemate"
UP = ["up", "--detach", "--no-build", "--pull", "never", "postgres"]


@pytest.fixture
def with_postgres(containers_config: Config) -> Config:
    return replace(containers_config, handed_on={"CASEMATE_DATABASE_URL": URL})


def test_postgres_is_started_alone_and_once(
    places: Places, with_postgres: Config, engine: FakeEngine
) -> None:
    assert operating.start_database(places, with_postgres)
    assert [each for each in engine.commands if each[0] == "up"] == [UP]
    assert [each["Config"]["Image"] for each in engine.containers.values()] == ["postgres"]
    assert not operating.start_database(places, with_postgres)
    assert len([each for each in engine.commands if each[0] == "up"]) == 1


def test_a_postgres_that_does_not_come_up_is_told(
    places: Places, with_postgres: Config, engine: FakeEngine
) -> None:
    engine.sick["postgres"] = {"Health": {"Status": "unhealthy"}}
    with pytest.raises(UnhealthyError, match="postgres"):
        operating.start_database(places, with_postgres)


@pytest.mark.parametrize("url", [None, "postgresql://casemate@elsewhere.example/casemate"])
def test_another_database_has_no_service(
    places: Places, containers_config: Config, engine: FakeEngine, url: str | None
) -> None:
    told = {"CASEMATE_DATABASE_URL": url} if url else {}
    assert not operating.start_database(places, replace(containers_config, handed_on=told))
    assert not engine.commands
