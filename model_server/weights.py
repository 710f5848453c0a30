"""Whether a model folder is whole, and what it asks of the machine."""

import hashlib
import json
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model_server.errors import WeightsAlteredError, WeightsInvalidError

DIGEST_FILE = "casemate-digests.json"

# safetensors: eight bytes of length, then that much JSON; the format bounds the header at 100 MB.
_HEADER_LENGTH = struct.Struct("<Q")
_MAX_HEADER_BYTES = 100_000_000
_INDEX = "model.safetensors.index.json"
_CHUNK_BYTES = 1024 * 1024
# Where a config.json names no context, vLLM itself falls back to this.
_UNNAMED_CONTEXT = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Weights:
    """What a model folder says about itself; counts are of the whole model."""

    folder: Path
    weights_bytes: int
    parameters: int
    max_context_tokens: int
    layers: int
    attention_heads: int
    kv_heads: int
    head_size: int
    is_quantized: bool


def examine(folder: Path) -> Weights:
    """Reads the folder's config and the heads of its weight files, not the weights themselves.

    Raises:
        WeightsInvalidError: something is missing, cut short or unreadable.
    """
    config = _read_json(folder, "config.json")
    # Models that also see or hear keep their language model's figures in a part of their own.
    text = config.get("text_config", config)
    heads = _number(text, "num_attention_heads", 1)
    sizes = [_tensor_sizes(folder, name) for name in _weight_files(folder)]
    _check_tokenizer(folder)
    return Weights(
        folder=folder,
        weights_bytes=sum(size for size, _ in sizes),
        parameters=sum(count for _, count in sizes),
        max_context_tokens=_number(text, "max_position_embeddings", _UNNAMED_CONTEXT),
        layers=_number(text, "num_hidden_layers", 1),
        attention_heads=heads,
        kv_heads=_number(text, "num_key_value_heads", heads),
        head_size=_number(text, "head_dim", _number(text, "hidden_size", heads) // heads),
        is_quantized="quantization_config" in config,
    )


def verify_digests(folder: Path) -> bool:
    """Compares every file with the folder's digest file; False when the folder has none.

    Raises:
        WeightsInvalidError: the digest file is unreadable or a file is missing.
        WeightsAlteredError: a file differs.
    """
    if not (folder / DIGEST_FILE).exists():
        return False
    expected = _read_json(folder, DIGEST_FILE).get("files")
    if not isinstance(expected, dict) or not expected:
        raise WeightsInvalidError(folder, f"has a {DIGEST_FILE} that names no files")
    for name, digest in expected.items():
        if "/" in name or not (folder / name).is_file():
            raise WeightsInvalidError(folder, f"lacks {name}")
        if file_digest(folder / name) != digest:
            raise WeightsAlteredError(folder, name)
    return True


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_json(folder: Path, name: str) -> dict[str, Any]:
    if not folder.is_dir():
        raise WeightsInvalidError(folder, "does not exist")
    try:
        content = json.loads((folder / name).read_bytes())
    except FileNotFoundError as cause:
        raise WeightsInvalidError(folder, f"has no {name}") from cause
    except OSError as cause:
        raise WeightsInvalidError(folder, f"has an unreadable {name}") from cause
    except ValueError as cause:
        raise WeightsInvalidError(folder, f"has a {name} that is not JSON") from cause
    if not isinstance(content, dict):
        raise WeightsInvalidError(folder, f"has a {name} that is not an object")
    return content


def _number(config: dict[str, Any], name: str, otherwise: int) -> int:
    value = config.get(name)
    return value if isinstance(value, int) and value > 0 else otherwise


def _weight_files(folder: Path) -> list[str]:
    if (folder / _INDEX).exists():
        placed = _read_json(folder, _INDEX).get("weight_map")
        if not isinstance(placed, dict) or not placed:
            raise WeightsInvalidError(folder, f"has a {_INDEX} that names no files")
        return sorted({str(name) for name in placed.values()})
    found = sorted(path.name for path in folder.glob("*.safetensors"))
    if found:
        return found
    problem = "has no .safetensors file"
    if any(folder.glob("*.gguf")):
        problem += "; `python -m model_server convert` makes one from the .gguf file"
    raise WeightsInvalidError(folder, problem)


def _tensor_sizes(folder: Path, name: str) -> tuple[int, int]:
    """(bytes, elements) of the tensors in one file that is as long as its head says."""
    try:
        with (folder / name).open("rb") as file:
            (length,) = _HEADER_LENGTH.unpack(file.read(_HEADER_LENGTH.size))
            if length > _MAX_HEADER_BYTES:
                raise WeightsInvalidError(folder, f"has a {name} that is not a safetensors file")
            header = json.loads(file.read(length))
        tensors = [tensor for key, tensor in header.items() if key != "__metadata__"]
        end = max((tensor["data_offsets"][1] for tensor in tensors), default=0)
        elements = sum(_product(tensor["shape"]) for tensor in tensors)
        actual = (folder / name).stat().st_size
    except OSError as cause:
        raise WeightsInvalidError(folder, f"has no readable {name}") from cause
    except (struct.error, ValueError, KeyError, TypeError, AttributeError, IndexError) as cause:
        problem = f"has a {name} that is not a safetensors file"
        raise WeightsInvalidError(folder, problem) from cause
    if actual != _HEADER_LENGTH.size + length + end:
        raise WeightsInvalidError(folder, f"has a {name} that was cut short or added to")
    return end, elements


def _product(shape: list[int]) -> int:
    total = 1
    for side in shape:
        total *= side
    return total


def _check_tokenizer(folder: Path) -> None:
    names = ("tokenizer.json", "tokenizer.model", "tekken.json", "vocab.json")
    if not any((folder / name).is_file() for name in names):
        raise WeightsInvalidError(folder, "has no tokenizer")
    if (folder / names[0]).is_file():
        # vLLM's own message for a damaged one names neither the file nor the tokenizer.
        _read_json(folder, names[0])
