"""Folders of weights that are whole, and tiny."""

import hashlib
import json
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path

from install.bundle.manifest import CarriedModel, digest_of
from tests.bundle_builders import a_bundle

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 8,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "max_position_embeddings": 64,
}


def safetensors(values: bytes = b"\1\2\3\4\5\6\7\0", **tensor: object) -> bytes:
    """One tensor of two-byte numbers; `tensor` replaces what its head says."""
    whole = [0, len(values)]
    said = {"dtype": "BF16", "shape": [len(values) // 2], "data_offsets": whole, **tensor}
    head = json.dumps({"__metadata__": {"format": "pt"}, "weight": said}).encode()
    return struct.pack("<Q", len(head)) + head + values


def weights(values: bytes = b"\1\2\3\4\5\6\7\0") -> dict[str, bytes]:
    """A model's files."""
    return {
        "config.json": json.dumps(CONFIG).encode(),
        "tokenizer.json": b"{}",
        "model.safetensors": safetensors(values),
    }


def a_folder(folder: Path, files: Mapping[str, bytes] | None = None) -> Path:
    """Writes them."""
    for name, content in (weights() if files is None else files).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def a_models_bundle(path: Path, models: Mapping[str, Mapping[str, bytes]]) -> Path:
    """A signed bundle that carries nothing else."""
    contents = {
        f"models/{ref}/{name}": content
        for ref, files in models.items()
        for name, content in files.items()
    }
    return a_bundle(path, contents, devices=(), models=_carried(models))


def _carried(models: Mapping[str, Mapping[str, bytes]]) -> Sequence[CarriedModel]:
    return [
        CarriedModel(
            ref=ref,
            name=ref.title(),
            family="general",
            context_tokens=32,
            folder=f"models/{ref}",
            digest=digest_of({k: hashlib.sha256(v).hexdigest() for k, v in files.items()}),
        )
        for ref, files in models.items()
    ]
