import hashlib
import json
import os
from pathlib import Path

import pytest

from install.importing import folders
from install.importing.errors import PickleRefusedError, WeightsChangedError, WeightsRefusedError
from tests.install.importing.builders import CONFIG, a_folder, weights


def unheard(_count: int) -> None:
    pass


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return a_folder(tmp_path / "m")


def test_a_whole_model_says_what_it_asks_for(folder: Path) -> None:
    found = folders.look(folder)
    assert sorted(found.files) == ["config.json", "model.safetensors", "tokenizer.json"]
    figures = folders.check(found.files)
    assert (figures.weights_bytes, figures.parameters, figures.context_tokens) == (8, 4, 64)
    # Keys and values of two layers, two heads of four numbers, two bytes each.
    assert figures.token_bytes == 2 * 2 * 2 * 4 * 2


def test_a_model_that_sees_keeps_its_figures_inside(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({"text_config": CONFIG}))
    assert folders.check(folders.look(folder).files).attention_heads == 2


def test_figures_that_nothing_can_have_do_not_count(folder: Path) -> None:
    (folder / "config.json").write_text(json.dumps({**CONFIG, "num_hidden_layers": 10**400}))
    assert folders.check(folders.look(folder).files).token_bytes == 2 * 2 * 4 * 2


def test_a_folder_that_cannot_be_read_is_not_passed_over(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path) -> None:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("os.scandir", refuse)
    with pytest.raises(WeightsRefusedError, match="m cannot be read: Permission denied"):
        folders.look(folder)


def test_hidden_files_are_left_out(folder: Path) -> None:
    a_folder(folder, {".cache/x": b"x", ".gitattributes": b"x"})
    assert len(folders.look(folder).files) == 3


@pytest.mark.parametrize("name", ["link", "folder/link"])
def test_links_are_refused_with_the_way_out(folder: Path, name: str) -> None:
    (folder / "folder").mkdir()
    (folder / name).symlink_to("../config.json")
    with pytest.raises(WeightsRefusedError, match="cp -rL"):
        folders.look(folder)


def test_links_to_folders_are_refused(folder: Path, tmp_path: Path) -> None:
    (folder / "more").symlink_to(tmp_path)
    with pytest.raises(WeightsRefusedError, match="more is not a plain file"):
        folders.look(folder)


def test_pipes_and_strange_names_are_refused(folder: Path) -> None:
    os.mkfifo(folder / "pipe")
    with pytest.raises(WeightsRefusedError, match="pipe is not a plain file"):
        folders.look(folder)
    (folder / "pipe").unlink()
    (folder / "a\nb").touch()
    with pytest.raises(WeightsRefusedError, match="cannot have the name"):
        folders.look(folder)


def test_too_many_files_are_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(folders, "MAX_FILES", 2)
    with pytest.raises(WeightsRefusedError, match="more files"):
        folders.look(folder)
    with pytest.raises(WeightsRefusedError, match="neither a folder"):
        folders.look(folder / "config.json")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("config.json", None, "no config.json"),
        ("config.json", b"{", "as JSON"),
        ("config.json", b"[]", "no JSON object"),
        ("config.json", b"[" * 100_000, "as JSON"),
        ("tokenizer.json", None, "no tokenizer"),
        ("tokenizer.json", b"{", "tokenizer.json cannot be read"),
        ("model.safetensors", None, "no weights"),
        ("model.safetensors", b"x", "not a safetensors file"),
    ],
)
def test_a_model_that_is_not_whole_is_refused(
    folder: Path, name: str, content: bytes | None, said: str
) -> None:
    (folder / name).unlink()
    if content is not None:
        (folder / name).write_bytes(content)
    with pytest.raises(WeightsRefusedError, match=said):
        folders.check(folders.look(folder).files)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "a.pt", "B.PTH", "x/y.pkl"])
def test_pickled_files_are_refused_unless_they_are_allowed(folder: Path, name: str) -> None:
    a_folder(folder, {name: b"x"})
    files = folders.look(folder).files
    with pytest.raises(PickleRefusedError, match="--allow-pickle"):
        folders.check(files)
    assert folders.check(files, is_pickle_allowed=True).weights_bytes == 8


def sums(**changed: str) -> bytes:
    found = {name: hashlib.sha256(content).hexdigest() for name, content in weights().items()}
    lines = [f"{digest}  ./{name}" for name, digest in {**found, **changed}.items()]
    return ("\n".join(lines) + "\n").encode()


def test_a_list_of_digests_is_held_against_the_files(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    a_folder(folder, {"SHA256SUMS": sums()})
    found = folders.digests(folders.look(folder), unheard)
    assert found["tokenizer.json"] == hashlib.sha256(b"{}").hexdigest()
    a_folder(folder, {"SHA256SUMS": sums(gone="0" * 64)})
    with pytest.raises(WeightsChangedError, match="gone is not"):
        folders.digests(folders.look(folder), unheard)
    a_folder(folder, {"SHA256SUMS": b"whatever"})
    with pytest.raises(WeightsRefusedError, match="names no file"):
        folders.digests(folders.look(folder), unheard)
    monkeypatch.setattr(folders, "MAX_JSON_BYTES", 7)
    with pytest.raises(WeightsRefusedError, match="too large"):
        folders.digests(folders.look(folder), unheard)


@pytest.mark.parametrize(
    ("listed", "error"),
    [
        ({"files": {"tokenizer.json": "0" * 64}}, WeightsChangedError),
        ({"files": {"tokenizer.json": 1}}, WeightsRefusedError),
        ({}, WeightsRefusedError),
    ],
)
def test_our_own_list_of_digests_counts_too(
    folder: Path, listed: dict[str, object], error: type[Exception]
) -> None:
    a_folder(folder, {folders.OWN_DIGESTS: json.dumps(listed).encode()})
    with pytest.raises(error):
        folders.digests(folders.look(folder), unheard)
