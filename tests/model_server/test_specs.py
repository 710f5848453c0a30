import json
from pathlib import Path

import pytest

from model_server.errors import ModelListInvalidError
from model_server.specs import read_models


def written(folder: Path, content: object) -> Path:
    path = folder / "models.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_models_keep_their_order(tmp_path: Path) -> None:
    path = written(
        tmp_path,
        [
            {"ref": "b", "path": "/m/b", "family": "mistral", "context_tokens": 2048},
            {"ref": "a", "path": "/m/a"},
        ],
    )
    first, second = read_models(path)
    assert (first.ref, first.family, first.context_tokens) == ("b", "mistral", 2048)
    assert (second.ref, second.family, second.context_tokens) == ("a", "general", None)


def test_no_models_are_a_list_too(tmp_path: Path) -> None:
    assert read_models(written(tmp_path, [])) == ()


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("{", "the file"),
        ({}, "the file"),
        ([{"ref": "a"}], r"0\.path"),
        ([{"ref": "a", "path": "relative"}], r"0\.path: Value error, must be absolute"),
        ([{"ref": "-a", "path": "/m"}], r"0\.ref"),
        ([{"ref": "a", "path": "/m", "context_tokens": 0}], r"0\.context_tokens"),
        ([{"ref": "a", "path": "/m", "api_key": "x"}], r"0\.api_key"),
        ([{"ref": "a", "path": "/m"}] * 2, '"a" is named twice'),
    ],
)
def test_a_list_that_cannot_be_used_says_where(
    tmp_path: Path, content: object, problem: str
) -> None:
    with pytest.raises(ModelListInvalidError, match=problem):
        read_models(written(tmp_path, content))


def test_a_list_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelListInvalidError, match="cannot be read"):
        read_models(tmp_path / "models.json")
