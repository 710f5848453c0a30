import json
import struct
from pathlib import Path

import pytest

from install.importing import safetensors
from install.importing.errors import WeightsRefusedError
from tests.install.importing import builders


def written(tmp_path: Path, content: bytes) -> Path:
    path = tmp_path / "model.safetensors"
    path.write_bytes(content)
    return path


def test_tensors_are_counted(tmp_path: Path) -> None:
    found = safetensors.read(written(tmp_path, builders.safetensors()), "m")
    assert (found.weights_bytes, found.parameters) == (8, 4)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0" * 7,
        struct.pack("<Q", 10**9) + b"{}",
        struct.pack("<Q", 2) + b"[]",
        struct.pack("<Q", 4) + b"null",
        struct.pack("<Q", 200) + b"{}",
        builders.safetensors(shape=[5]),
        builders.safetensors(shape=["4"]),
        builders.safetensors(shape=[True]),
        builders.safetensors(shape=[-4]),
        builders.safetensors(shape=4),
        builders.safetensors(dtype="F32"),
        builders.safetensors(dtype=[]),
        builders.safetensors(data_offsets=[0]),
        builders.safetensors(data_offsets=[8, 0]),
        builders.safetensors(data_offsets=[1, 9]),
        builders.safetensors(dtype="F3_NEW", shape=[10**200, 10**200]),
        struct.pack("<Q", 100_000) + b"[" * 100_000,
    ],
)
def test_what_does_not_add_up_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(WeightsRefusedError, match="m "):
        safetensors.read(written(tmp_path, content), "m")


@pytest.mark.parametrize("change", [lambda c: c[:-1], lambda c: c + b"\0"])
def test_a_file_that_was_cut_short_or_added_to_is_refused(change: object, tmp_path: Path) -> None:
    content = change(builders.safetensors())  # type: ignore[operator]  # one of the two above
    with pytest.raises(WeightsRefusedError, match="cut short or added to"):
        safetensors.read(written(tmp_path, content), "m")


def test_a_kind_of_number_that_is_new_is_taken(tmp_path: Path) -> None:
    path = written(tmp_path, builders.safetensors(dtype="F3_NEW"))
    assert safetensors.read(path, "m").weights_bytes == 8


def test_every_file_that_the_list_of_tensors_names_must_be_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    listed = tmp_path / safetensors.INDEX
    listed.write_text(json.dumps({"weight_map": {"a": "model-2.safetensors"}}))
    with pytest.raises(WeightsRefusedError, match=r"model-2\.safetensors is missing"):
        safetensors.check_placed({safetensors.INDEX: listed})
    monkeypatch.setattr(safetensors, "MAX_HEAD_BYTES", 100)
    safetensors.check_placed({safetensors.INDEX: listed, "model-2.safetensors": listed})
    for unreadable in ("[]", " " * 101 + '{"weight_map": {}}'):
        listed.write_text(unreadable)
        with pytest.raises(WeightsRefusedError, match="cannot be read"):
            safetensors.check_placed({safetensors.INDEX: listed})
