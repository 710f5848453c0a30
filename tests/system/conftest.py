"""The appliance that most system tests share: brought up once, from this clone, as a user would."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.system.driver import Appliance


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Everything here needs real processes."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)


@pytest.fixture(scope="session")
def appliance(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Appliance]:
    """A running appliance with the starter model."""
    made = Appliance(home=tmp_path_factory.mktemp("home"))
    made.up()
    yield made
    made.casemate("down")
    assert made.processes() == []


@pytest.fixture(scope="session")
def model_env(appliance: Appliance) -> Path:
    """The Python of the model server's environment."""
    return appliance.home / "envs" / "model-server" / "bin" / "python"


@pytest.fixture(scope="session")
def starter_model(appliance: Appliance) -> Path:
    """The folder of the starter model's weights."""
    return appliance.home / "models" / "smollm2-135m-instruct"
