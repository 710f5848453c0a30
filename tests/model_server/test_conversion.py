import json
from pathlib import Path

import pytest

from model_server.conversion import convert, write_with_transformers
from model_server.errors import ConversionFailedError, WeightsInvalidError
from model_server.weights import verify_digests
from tests.model_server.builders import a_model_folder


def a_gguf(folder: Path, content: bytes = b"GGUF") -> Path:
    path = folder / "model.gguf"
    path.write_bytes(content)
    return path


class Writer:
    """Stands in for transformers, and counts."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self, _gguf: Path, folder: Path) -> None:
        self.times += 1
        a_model_folder(folder)


def test_a_converted_folder_is_whole_and_says_what_it_is_made_from(tmp_path: Path) -> None:
    made = convert(a_gguf(tmp_path), tmp_path / "models" / "m", write=Writer())
    assert made.is_new
    assert made.weights_bytes == 32
    assert verify_digests(made.folder)
    digests = json.loads((made.folder / "casemate-digests.json").read_text())
    assert digests["source"] == made.source_digest


def test_a_whole_folder_is_kept(tmp_path: Path) -> None:
    writer = Writer()
    first = convert(a_gguf(tmp_path), tmp_path / "m", write=writer)
    second = convert(a_gguf(tmp_path), tmp_path / "m", write=writer)
    assert (first.is_new, second.is_new, writer.times) == (True, False, 1)


def test_a_damaged_folder_is_made_again(tmp_path: Path) -> None:
    writer = Writer()
    convert(a_gguf(tmp_path), tmp_path / "m", write=writer)
    (tmp_path / "m" / "config.json").write_text("{}")
    assert convert(a_gguf(tmp_path), tmp_path / "m", write=writer).is_new
    assert verify_digests(tmp_path / "m")


def test_another_source_is_converted_again(tmp_path: Path) -> None:
    writer = Writer()
    convert(a_gguf(tmp_path), tmp_path / "m", write=writer)
    assert convert(a_gguf(tmp_path, b"another"), tmp_path / "m", write=writer).is_new


def test_a_folder_of_another_making_is_replaced(tmp_path: Path) -> None:
    a_model_folder(tmp_path / "m")
    assert convert(a_gguf(tmp_path), tmp_path / "m", write=Writer()).is_new


def test_a_failed_conversion_leaves_nothing_behind(tmp_path: Path) -> None:
    def fail(_gguf: Path, folder: Path) -> None:
        (folder / "half").write_text("")
        raise ConversionFailedError(folder, "no reason")

    gguf = a_gguf(tmp_path)
    with pytest.raises(ConversionFailedError):
        convert(gguf, tmp_path / "m", write=fail)
    assert list(tmp_path.iterdir()) == [gguf]


def test_a_result_that_cannot_be_served_is_not_put_in_place(tmp_path: Path) -> None:
    with pytest.raises(WeightsInvalidError):
        convert(a_gguf(tmp_path), tmp_path / "m", write=lambda *_: None)
    assert not (tmp_path / "m").exists()


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConversionFailedError, match="no such file"):
        convert(tmp_path / "gone.gguf", tmp_path / "m")


def test_without_transformers_the_conversion_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConversionFailedError, match="not installed"):
        write_with_transformers(a_gguf(tmp_path), tmp_path)
