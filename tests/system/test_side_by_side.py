"""A second appliance beside the first, with another home and other ports."""

from pathlib import Path

import pytest

from tests.system.driver import Appliance


@pytest.fixture
def second(tmp_path: Path) -> Appliance:
    return Appliance(home=tmp_path / "second")


def test_two_appliances_do_not_know_each_other(appliance: Appliance, second: Appliance) -> None:
    try:
        second.up()
        assert second.question(second.access_token()).status_code == 200
        assert appliance.question(appliance.access_token()).status_code == 200
        assert second.question(appliance.access_token()).status_code == 401
        assert second.told["gateway_url"] != appliance.told["gateway_url"]
    finally:
        second.casemate("down")
    assert second.processes() == []
    assert appliance.question(appliance.access_token()).status_code == 200
