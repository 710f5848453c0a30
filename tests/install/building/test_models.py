from pathlib import Path

import pytest

from install.building import models
from install.building.errors import BuildRefusedError
from install.containers.wheels import Shelf
from install.environments import Environment
from install.errors import ModelFolderError
from install.progress import Step
from install.weights import STARTER_REF, Model
from tests.install.building.builders import a_clone, an_order
from tests.model_server.builders import a_model_folder


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    return a_clone(tmp_path / "clone")


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    builder = Environment(folder=tmp_path, lock=tmp_path, scratch=tmp_path)
    return Shelf(cache=tmp_path / "wheels", builder=builder)


def a_step() -> Step:
    return Step(title="Models", began=0.0)


def a_model(folder: Path) -> Model:
    return Model(ref="small", name="Small", family="general", path=folder)


def test_links_are_followed_and_hidden_files_left_out(tmp_path: Path) -> None:
    folder = a_model_folder(tmp_path / "small")
    (tmp_path / "blob").write_text("x")
    (folder / "more.json").symlink_to(tmp_path / "blob")
    (folder / ".cache").mkdir()
    (folder / ".cache" / "x").write_text("")
    (folder / "inner").mkdir()
    (folder / "inner" / "y.json").write_text("{}")
    assert sorted(models.files(a_model(folder))) == [
        "models/small/config.json",
        "models/small/inner/y.json",
        "models/small/model.safetensors",
        "models/small/more.json",
        "models/small/tokenizer.json",
    ]


def test_a_name_that_no_bundle_has_is_refused(tmp_path: Path) -> None:
    folder = a_model_folder(tmp_path / "small")
    (folder / "a b.json").write_text("{}")
    with pytest.raises(BuildRefusedError, match="a b"):
        models.files(a_model(folder))


def test_two_models_of_one_name_are_refused(clone: Path, shelf: Shelf, tmp_path: Path) -> None:
    first, second = (a_model_folder(tmp_path / name / "small") for name in ("a", "b"))
    order = an_order(clone, tmp_path / "work", models=(first, second))
    with pytest.raises(BuildRefusedError, match="same name"):
        models.gather(order, shelf, a_step())


def test_a_folder_without_a_model_is_refused(clone: Path, shelf: Shelf, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    order = an_order(clone, tmp_path / "work", models=(tmp_path / "empty",))
    with pytest.raises(ModelFolderError):
        models.gather(order, shelf, a_step())


def test_the_starter_model_is_taken_where_it_was_made_before(
    clone: Path, shelf: Shelf, tmp_path: Path
) -> None:
    ready = a_model_folder(tmp_path / "home" / STARTER_REF)
    order = an_order(clone, tmp_path / "work", models=None, ready=ready)
    (found,) = models.gather(order, shelf, a_step())
    assert (found.ref, found.path, found.context_tokens) == (STARTER_REF, ready, 2048)
