import json

import pytest

from install.config import Config, save
from install.containers import loading, machine, removing
from install.errors import InstallError
from install.places import Places
from install.removing import work
from tests.fakes.docker_engine import FakeEngine

OTHER = "casemate-other_instance-state"


@pytest.fixture
def used(engine: FakeEngine, places: Places) -> FakeEngine:
    """An engine with images and volumes of this home, and of another."""
    project = machine.project_name(places)
    engine.volumes |= {f"{project}_instance-state", OTHER}
    for service in ("instance", "gateway"):
        tag = f"casemate/{service}:1-a"
        engine.add_image(tag, {"casemate.built-for": str(places.home)})
    engine.start(project, "model-server", "casemate/instance:1-a")
    engine.add_image("casemate/instance:1-b", {"casemate.built-for": "another"})
    return engine


def mine(engine: FakeEngine) -> list[str]:
    return sorted(name for name in engine.images if name.startswith("casemate/"))


def test_all_that_is_of_this_home_goes_and_nothing_of_another(
    used: FakeEngine, places: Places, containers_config: Config
) -> None:
    removing.remove(places, containers_config, is_data_kept=False)
    assert ["down", "--remove-orphans"] in used.commands
    assert (used.containers, used.volumes) == ({}, {OTHER})
    assert mine(used) == ["casemate/instance:1-b"]
    removing.remove(places, containers_config, is_data_kept=False)


def test_volumes_are_the_data(used: FakeEngine, places: Places, containers_config: Config) -> None:
    removing.remove(places, containers_config, is_data_kept=True)
    assert len(used.volumes) == 2
    assert mine(used) == ["casemate/instance:1-b"]


def test_an_engine_that_is_away_removes_nothing(
    used: FakeEngine, places: Places, containers_config: Config
) -> None:
    used.info["is_away"] = True
    with pytest.raises(InstallError):
        removing.remove(places, containers_config, is_data_kept=False)
    assert len(used.volumes) == 2


def test_a_home_of_containers_goes_with_images_that_came_in_bundles(
    used: FakeEngine, places: Places, containers_config: Config
) -> None:
    save(places.config, containers_config)
    places.containers.mkdir()
    places.slots.mkdir()
    carried = "casemate/gateway:0.2.0-abc"
    used.add_image(carried)
    (places.containers / loading.REMEMBERED).write_text(json.dumps([carried]))
    work.remove(places, is_data_kept=False, path="", say=lambda _line: None)
    assert not places.home.exists()
    assert (mine(used), used.volumes) == (["casemate/instance:1-b"], {OTHER})


def test_containers_go_too_where_the_settings_are_damaged(used: FakeEngine, places: Places) -> None:
    places.config.write_text("damaged")
    places.lock.touch()
    places.containers.mkdir()
    places.filled_containers.touch()
    work.remove(places, is_data_kept=False, path="", say=lambda _line: None)
    assert not places.home.exists()
    assert (used.containers, used.volumes) == ({}, {OTHER})
