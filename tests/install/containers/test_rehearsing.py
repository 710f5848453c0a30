import pytest

from install.config import Config
from install.containers.machine import project_name
from install.containers.rehearsing import rehearse
from install.errors import SetUpCommandError
from install.places import Places
from tests.fakes.docker_engine import FakeEngine

TAGS = {"instance": "casemate/instance:2-def"}


@pytest.fixture
def live(places: Places, engine: FakeEngine) -> Places:
    engine.volumes.add(f"{project_name(places)}_instance-state")
    return places


def test_the_new_image_tries_the_live_volume(live: Places, engine: FakeEngine) -> None:
    rehearse(live, Config(containers=True), TAGS)
    assert engine.commands[-1][0] == "run"
    assert engine.commands[-1][-5:] == [TAGS["instance"], "-m", "appliance", "database", "rehearse"]


def test_a_migration_that_fails_is_told(live: Places, engine: FakeEngine) -> None:
    engine.broken["run"] = (1, "The database is of generation 3,\nthis program knows 1.")
    with pytest.raises(SetUpCommandError, match="generation 3, this program knows 1"):
        rehearse(live, Config(containers=True), TAGS)


def test_without_data_nothing_is_tried(places: Places, engine: FakeEngine) -> None:
    rehearse(places, Config(containers=True), TAGS)
    assert [each[0] for each in engine.commands] == ["volume"]
