"""Valid objects of the model server; a test states only what matters to it."""

import json
import struct
from pathlib import Path
from typing import Any

from model_server.errors import GIB
from model_server.hardware import Gpu, Hardware
from model_server.plan import Place
from model_server.specs import ModelSpec
from model_server.weights import Weights

CONFIG = {
    "architectures": ["LlamaForCausalLM"],
    "max_position_embeddings": 4096,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_size": 64,
}


def a_spec(**facts: Any) -> ModelSpec:
    return ModelSpec(**{"ref": "small-model", "path": Path("/models/small"), **facts})


def some_weights(**facts: Any) -> Weights:
    """Of the size of the starter model unless told otherwise."""
    usual = {
        "folder": Path("/models/small"),
        "weights_bytes": 269_030_016,
        "parameters": 134_515_008,
        "max_context_tokens": 8192,
        "layers": 30,
        "attention_heads": 9,
        "kv_heads": 3,
        "head_size": 64,
        "is_quantized": False,
    }
    return Weights(**{**usual, **facts})


def large_weights(**facts: Any) -> Weights:
    """About 70 billion parameters in two bytes each."""
    usual = {
        "weights_bytes": 140_000_000_000,
        "parameters": 70_000_000_000,
        "max_context_tokens": 131072,
        "layers": 80,
        "attention_heads": 64,
        "kv_heads": 8,
        "head_size": 128,
    }
    return some_weights(**{**usual, **facts})


def a_machine(**facts: Any) -> Hardware:
    usual = {
        "cores": 2,
        "memory_bytes": 16 * GIB,
        "free_bytes": 12 * GIB,
        "cpu_flags": frozenset({"avx2", "fma", "f16c"}),
    }
    return Hardware(**{**usual, **facts})


def a_gpu(index: int = 0, *, gib: int = 80, free_gib: int | None = None) -> Gpu:
    free = gib if free_gib is None else free_gib
    return Gpu(index=index, name="NVIDIA", memory_bytes=gib * GIB, free_bytes=free * GIB)


def a_place(**facts: Any) -> Place:
    usual = {"host": "127.0.0.1", "port": 8000, "cache_folder": Path("/state/cache")}
    return Place(**{**usual, **facts})


def a_safetensors_file(path: Path, *, elements: int = 8) -> None:
    """One tensor of 32-bit zeros."""
    tensor = {"dtype": "F32", "shape": [elements], "data_offsets": [0, 4 * elements]}
    header = json.dumps({"__metadata__": {"format": "pt"}, "w": tensor}).encode()
    path.write_bytes(struct.pack("<Q", len(header)) + header + bytes(4 * elements))


def a_model_folder(folder: Path, **config: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "config.json").write_text(json.dumps({**CONFIG, **config}))
    (folder / "tokenizer.json").write_text("{}")
    a_safetensors_file(folder / "model.safetensors")
    return folder
