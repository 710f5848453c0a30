"""A second `up` with another model and another port takes both over and says so."""

import shutil
from pathlib import Path

from tests.conftest import a_free_port
from tests.system.driver import Appliance


def test_another_model_and_port_are_taken_over_and_said(
    appliance: Appliance, starter_model: Path, tmp_path: Path
) -> None:
    token_before, port_before = appliance.personal_token(), appliance.ports["GATEWAY_PORT"]
    shutil.copytree(starter_model, tmp_path / "another-model")
    appliance.ports["GATEWAY_PORT"] = a_free_port()
    try:
        told = appliance.up("--model", str(tmp_path / "another-model"))
        assert told["model"] == "another-model"
        assert not told["is_demonstration"]
        assert str(appliance.ports["GATEWAY_PORT"]) in told["gateway_url"]
        assert set(told["restarted"]) == {"instance", "gateway", "model-server"}
        assert any(change.startswith("model") for change in told["changed"])
        assert appliance.personal_token() == token_before
        assert appliance.question(appliance.access_token()).status_code == 200
    finally:
        appliance.ports["GATEWAY_PORT"] = port_before
        told = appliance.up("--model", "starter")
    assert told["is_demonstration"]
    assert appliance.question(appliance.access_token()).status_code == 200
