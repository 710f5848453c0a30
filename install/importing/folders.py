"""A folder of weights from elsewhere: which files it has, and whether it is a model at all."""

import hashlib
import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from install.bundle.manifest import DIGEST, PATH
from install.importing import safetensors
from install.importing.errors import PickleRefusedError, WeightsChangedError, WeightsRefusedError
from install.preflight.fit import CPU_CONTEXT_TOKENS, Figures

MAX_FILES = 10_000
# The largest open models have about two; a folder that is larger was not meant.
MAX_BYTES = 8 * 10**12
MAX_JSON_BYTES = 256 * 1024 * 1024
# Of layers, heads, tokens; nothing beyond it can be meant.
MAX_NUMBER = 2**31
READ_BYTES = 1024 * 1024
TOKENIZERS = ("tokenizer.json", "tokenizer.model", "tekken.json", "vocab.json")
# What Python's pickle reads, which runs what it is told to; torch keeps weights so.
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle", ".joblib", ".npy")
SUMS = "SHA256SUMS"
SUM_LINE = re.compile(r"([0-9a-fA-F]{64}) [ *](?:\./)?(.+)")
OWN_DIGESTS = "casemate-digests.json"
CACHE_ELEMENT_BYTES = 2

OnBytes = Callable[[int], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A folder's files by their names in it, hidden ones left out, and how large each is."""

    folder: Path
    files: Mapping[str, Path]
    sizes: Mapping[str, int]

    @property
    def total_bytes(self) -> int:
        """All of it."""
        return sum(self.sizes.values())


def look(folder: Path) -> Source:
    """Lists a folder; reads no file.

    Raises:
        WeightsRefusedError: it holds links, devices, strange names, or too much, or a folder in it
            cannot be read.
    """
    if not folder.is_dir():
        sentence = f"{folder} is neither a folder of weights nor a bundle."
        raise WeightsRefusedError(sentence)
    files: dict[str, Path] = {}
    sizes: dict[str, int] = {}
    for path in _walk(folder):
        name = path.relative_to(folder).as_posix()
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            sentence = (
                f"{name} is not a plain file; copy the model with `cp -rL`, which follows links."
            )
            raise WeightsRefusedError(sentence)
        if not PATH.fullmatch(name):
            sentence = f"A file of a model cannot have the name {name!r}."
            raise WeightsRefusedError(sentence)
        files[name], sizes[name] = path, found.st_size
        if len(files) > MAX_FILES or sum(sizes.values()) > MAX_BYTES:
            sentence = f"{folder} has more files, or more in them, than a model can have."
            raise WeightsRefusedError(sentence)
    return Source(folder=folder, files=files, sizes=sizes)


def _walk(folder: Path) -> list[Path]:
    found = []
    for place, folders, names in os.walk(folder, onerror=_refuse):
        # A link to a folder is not gone into, so it must be told here.
        links = [name for name in folders if (Path(place) / name).is_symlink()]
        folders[:] = [name for name in folders if not name.startswith(".") and name not in links]
        found += [Path(place) / name for name in (*links, *names) if not name.startswith(".")]
    return sorted(found)


def _refuse(cause: OSError) -> NoReturn:
    sentence = f"{cause.filename} cannot be read: {cause.strerror}."
    raise WeightsRefusedError(sentence) from cause


def check(files: Mapping[str, Path], *, is_pickle_allowed: bool = False) -> Figures:
    """Passes a model that is whole as far as its files themselves tell; what it will ask for.

    Raises:
        WeightsRefusedError: something is missing, cut short or not to be read.
        PickleRefusedError: there are pickled files, and they were not allowed.
    """
    pickled = [name for name in files if name.lower().endswith(PICKLES)]
    if pickled and not is_pickle_allowed:
        raise PickleRefusedError(pickled)
    config = _json(files, "config.json")
    if not any(name in files for name in TOKENIZERS):
        sentence = f"There is no tokenizer ({', '.join(TOKENIZERS)})."
        raise WeightsRefusedError(sentence)
    if TOKENIZERS[0] in files:
        _json(files, TOKENIZERS[0])
    safetensors.check_placed(files)
    weights = [name for name in files if name.endswith(".safetensors")]
    if not weights:
        sentence = "There are no weights (*.safetensors); the model server takes no other kind."
        raise WeightsRefusedError(sentence)
    tensors = [safetensors.read(files[name], name) for name in weights]
    return _figures(
        config,
        weights_bytes=sum(each.weights_bytes for each in tensors),
        parameters=sum(each.parameters for each in tensors),
    )


def _figures(config: Mapping[str, Any], *, weights_bytes: int, parameters: int) -> Figures:
    # Models that also see or hear keep their language model's figures in a part of their own.
    inner = config.get("text_config")
    text = inner if isinstance(inner, dict) else config
    heads = _number(text, "num_attention_heads", 1)
    layers = _number(text, "num_hidden_layers", 1)
    head_size = _number(text, "head_dim", _number(text, "hidden_size", heads) // heads)
    kv_heads = _number(text, "num_key_value_heads", heads)
    context = _number(text, "max_position_embeddings", CPU_CONTEXT_TOKENS)
    return Figures(
        weights_bytes=weights_bytes,
        parameters=parameters,
        token_bytes=2 * layers * kv_heads * head_size * CACHE_ELEMENT_BYTES,
        # Where nothing is said, vLLM takes what fits; one context of this length must.
        context_tokens=min(context, CPU_CONTEXT_TOKENS),
        attention_heads=heads,
        is_quantized="quantization_config" in config,
    )


def _number(config: Mapping[str, Any], name: str, otherwise: int) -> int:
    value = config.get(name)
    return value if isinstance(value, int) and 0 < value < MAX_NUMBER else otherwise


def _json(files: Mapping[str, Path], name: str) -> Mapping[str, Any]:
    if name not in files:
        sentence = f"There is no {name}."
        raise WeightsRefusedError(sentence)
    try:
        content = json.loads(files[name].read_bytes() if _is_small(files[name]) else b"")
    except (OSError, ValueError, RecursionError) as cause:
        sentence = f"{name} cannot be read as JSON."
        raise WeightsRefusedError(sentence) from cause
    if not isinstance(content, dict):
        sentence = f"{name} holds no JSON object."
        raise WeightsRefusedError(sentence)
    return content


def _is_small(path: Path) -> bool:
    return path.stat().st_size <= MAX_JSON_BYTES


def digests(source: Source, on_bytes: OnBytes) -> dict[str, str]:
    """Every file's SHA-256, in hexadecimal, as the folder's own lists of them say where it has any.

    Raises:
        WeightsChangedError: a list says otherwise, or names a file that is not there.
        OSError: a file cannot be read.
    """
    found = {name: _digest(path, on_bytes) for name, path in source.files.items()}
    for name, digest in told_digests(source.files).items():
        if found.get(name) != digest:
            raise WeightsChangedError(name)
    return found


def told_digests(files: Mapping[str, Path]) -> dict[str, str]:
    """What the folder's own lists say, as `sha256sum` writes them or as this product does.

    Raises:
        WeightsRefusedError: a list cannot be read.
    """
    told: dict[str, str] = {}
    if SUMS in files:
        if not _is_small(files[SUMS]):
            sentence = f"{SUMS} is too large for a list of files."
            raise WeightsRefusedError(sentence)
        for line in files[SUMS].read_text("utf-8", errors="replace").splitlines():
            match = SUM_LINE.fullmatch(line.strip())
            if match is None and line.strip():
                sentence = f"{SUMS} has a line that names no file: {line[:100]!r}."
                raise WeightsRefusedError(sentence)
            if match is not None and match[2] != SUMS:
                told[match[2]] = match[1].lower()
    if OWN_DIGESTS in files:
        listed = _json(files, OWN_DIGESTS).get("files")
        if not isinstance(listed, dict) or not all(_is_digest(each) for each in listed.values()):
            sentence = f"{OWN_DIGESTS} names no files."
            raise WeightsRefusedError(sentence)
        told |= listed
    return told


def _is_digest(found: object) -> bool:
    return isinstance(found, str) and DIGEST.fullmatch(found) is not None


def _digest(path: Path, on_bytes: OnBytes) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while content := file.read(READ_BYTES):
            digest.update(content)
            on_bytes(len(content))
    return digest.hexdigest()
