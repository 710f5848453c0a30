import json
from pathlib import Path

import pytest

from install.containers import served
from install.containers.client import connect
from install.containers.served import Converter
from install.environments import Environment
from install.errors import ModelFolderError, SetUpCommandError
from install.places import Places
from install.progress import Step
from install.weights import Model
from tests.fakes.docker_engine import FakeEngine


def a_model(path: Path, ref: str = "small") -> Model:
    return Model(ref=ref, name="Small", family="general", path=path)


def test_a_folder_is_mounted_by_itself_and_listed_with_its_place_inside(
    ready_home: Places, small_model: Path
) -> None:
    found = served.write(ready_home, a_model(small_model))
    listed = Path(found["CASEMATE_MODELS_FILE"])
    assert found["CASEMATE_MODELS"] == str(small_model)
    assert json.loads(listed.read_text())[0]["path"] == "/var/lib/casemate/models"
    assert listed.stat().st_mode & 0o777 == 0o644


def test_another_model_is_another_list_and_the_same_model_the_same(
    ready_home: Places, small_model: Path
) -> None:
    first = served.write(ready_home, a_model(small_model))
    assert served.write(ready_home, a_model(small_model)) == first
    other = served.write(ready_home, a_model(small_model, ref="other"))
    assert other["CASEMATE_MODELS_FILE"] != first["CASEMATE_MODELS_FILE"]
    assert len(list(ready_home.containers.glob("models-*"))) == 1


def test_a_link_out_of_the_folder_is_refused(small_model: Path, tmp_path: Path) -> None:
    (tmp_path / "blob").write_text("weights")
    (small_model / "more.safetensors").symlink_to(tmp_path / "blob")
    with pytest.raises(ModelFolderError, match="cp -rL"):
        served.check_folder(small_model)


def test_weights_that_the_containers_user_cannot_read_are_refused(small_model: Path) -> None:
    served.check_folder(small_model)
    (small_model / "model.safetensors").chmod(0o600)
    with pytest.raises(ModelFolderError, match=r"chmod -R o\+rX"):
        served.check_folder(small_model)


@pytest.fixture
def converter(engine: FakeEngine, places: Places, monkeypatch: pytest.MonkeyPatch) -> Converter:
    monkeypatch.setattr("install.weights.fetch_starter", lambda *_: None)
    environment = Environment(folder=places.services, lock=places.lock, scratch=places.logs)
    client = connect(f"unix://{engine.socket}")
    return Converter(client=client, image="x", builder=environment, is_rootless=False)


def test_the_starter_model_is_converted_in_a_container(
    converter: Converter, places: Places
) -> None:
    model = a_model(places.models / "smollm2-135m-instruct", ref="smollm2-135m-instruct")
    step = Step(title="Model", began=0)
    assert "new" in converter.make_ready(model, step)
    assert (model.path / "config.json").is_file()
    assert "as it was" in converter.make_ready(model, step)
    converter.client.close()


def test_a_conversion_that_fails_leaves_no_model(
    converter: Converter, places: Places, engine: FakeEngine
) -> None:
    engine.sick["convert"] = {"fails": True}
    model = a_model(places.models / "smollm2-135m-instruct", ref="smollm2-135m-instruct")
    with pytest.raises(SetUpCommandError, match="model_server convert"):
        converter.make_ready(model, Step(title="Model", began=0))
    assert not model.path.exists()
    converter.client.close()
