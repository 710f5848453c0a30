import json
from pathlib import Path

import pytest

from model_server.errors import WeightsAlteredError, WeightsInvalidError
from model_server.weights import DIGEST_FILE, examine, file_digest, verify_digests
from tests.model_server.builders import a_model_folder, a_safetensors_file


def test_a_whole_folder_tells_its_figures(tmp_path: Path) -> None:
    weights = examine(a_model_folder(tmp_path / "m"))
    assert weights.weights_bytes == 32
    assert weights.parameters == 8
    assert weights.max_context_tokens == 4096
    assert (weights.layers, weights.attention_heads, weights.kv_heads) == (2, 4, 2)
    assert weights.head_size == 16
    assert not weights.is_quantized


def test_an_explicit_head_size_wins(tmp_path: Path) -> None:
    assert examine(a_model_folder(tmp_path, head_dim=128)).head_size == 128


def test_a_quantized_model_is_known_by_its_config(tmp_path: Path) -> None:
    folder = a_model_folder(tmp_path, quantization_config={"quant_method": "awq"})
    assert examine(folder).is_quantized


def test_the_language_part_of_a_larger_model_counts(tmp_path: Path) -> None:
    folder = a_model_folder(tmp_path, text_config={"max_position_embeddings": 77})
    assert examine(folder).max_context_tokens == 77


def test_a_config_without_figures_is_served_with_small_ones(tmp_path: Path) -> None:
    (a_model_folder(tmp_path) / "config.json").write_text("{}")
    assert examine(tmp_path).max_context_tokens == 2048


def test_sharded_weights_are_added_up(tmp_path: Path) -> None:
    folder = a_model_folder(tmp_path)
    (folder / "model.safetensors").unlink()
    for name in ("a.safetensors", "b.safetensors"):
        a_safetensors_file(folder / name, elements=4)
    placed = {"weight_map": {"x": "a.safetensors", "y": "b.safetensors", "z": "b.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(placed))
    assert examine(folder).weights_bytes == 32


def test_a_missing_shard_is_named(tmp_path: Path) -> None:
    folder = a_model_folder(tmp_path)
    placed = {"weight_map": {"x": "gone.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(placed))
    with pytest.raises(WeightsInvalidError, match=r"no readable gone\.safetensors"):
        examine(folder)


def test_an_index_without_files_is_refused(tmp_path: Path) -> None:
    folder = a_model_folder(tmp_path)
    (folder / "model.safetensors.index.json").write_text('{"weight_map": {}}')
    with pytest.raises(WeightsInvalidError, match="names no files"):
        examine(folder)


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WeightsInvalidError, match="does not exist"):
        examine(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("config.json", r"has no config\.json"),
        ("tokenizer.json", "has no tokenizer"),
        ("model.safetensors", r"has no \.safetensors file\.$"),
    ],
)
def test_a_missing_file_is_named(tmp_path: Path, name: str, problem: str) -> None:
    (a_model_folder(tmp_path) / name).unlink()
    with pytest.raises(WeightsInvalidError, match=problem):
        examine(tmp_path)


def test_a_gguf_file_is_pointed_to_the_conversion(tmp_path: Path) -> None:
    (a_model_folder(tmp_path) / "model.safetensors").rename(tmp_path / "model.gguf")
    with pytest.raises(WeightsInvalidError, match="convert"):
        examine(tmp_path)


@pytest.mark.parametrize(("text", "problem"), [("{", "not JSON"), ("[]", "not an object")])
def test_a_broken_config_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    (a_model_folder(tmp_path) / "config.json").write_text(text)
    with pytest.raises(WeightsInvalidError, match=problem):
        examine(tmp_path)


def test_a_config_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (a_model_folder(tmp_path) / "config.json").unlink()
    (tmp_path / "config.json").mkdir()
    with pytest.raises(WeightsInvalidError, match="unreadable"):
        examine(tmp_path)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"short",
        b"\xff" * 8,
        b"\x04" + bytes(7) + b"oops",
        b"\x02" + bytes(7) + b"[]",
        b"\x0a" + bytes(7) + b'{"w": {}} ',
    ],
)
def test_what_is_not_safetensors_is_refused(tmp_path: Path, content: bytes) -> None:
    (a_model_folder(tmp_path) / "model.safetensors").write_bytes(content)
    with pytest.raises(WeightsInvalidError, match="not a safetensors file"):
        examine(tmp_path)


def test_weights_cut_short_are_refused(tmp_path: Path) -> None:
    path = a_model_folder(tmp_path) / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(WeightsInvalidError, match="cut short"):
        examine(tmp_path)


def with_digests(folder: Path) -> Path:
    a_model_folder(folder)
    files = {path.name: file_digest(path) for path in folder.iterdir()}
    (folder / DIGEST_FILE).write_text(json.dumps({"files": files}))
    return folder


def test_files_as_they_were_made_pass(tmp_path: Path) -> None:
    assert verify_digests(with_digests(tmp_path))


def test_a_folder_without_digests_is_not_verified(tmp_path: Path) -> None:
    assert not verify_digests(a_model_folder(tmp_path))


def test_a_changed_file_is_named(tmp_path: Path) -> None:
    (with_digests(tmp_path) / "tokenizer.json").write_text("[]")
    with pytest.raises(WeightsAlteredError) as refusal:
        verify_digests(tmp_path)
    assert refusal.value.name == "tokenizer.json"


@pytest.mark.parametrize("files", [{}, [], {"../x": "0"}, {"gone": "0"}])
def test_a_digest_file_that_does_not_fit_is_refused(tmp_path: Path, files: object) -> None:
    a_model_folder(tmp_path)
    (tmp_path / DIGEST_FILE).write_text(json.dumps({"files": files}))
    with pytest.raises(WeightsInvalidError):
        verify_digests(tmp_path)
