"""Turns a GGUF file into a model folder that vLLM serves, whole or not at all."""

import json
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from pathlib import Path

from model_server.errors import ConversionFailedError, ModelServerError
from model_server.weights import DIGEST_FILE, examine, file_digest, verify_digests

SOURCE = "source"


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    """A model folder and the SHA-256 of the file it was made from."""

    folder: Path
    source_digest: str
    weights_bytes: int
    is_new: bool


def convert(
    gguf: Path, folder: Path, *, write: Callable[[Path, Path], None] | None = None
) -> Converted:
    """Makes `folder` from `gguf`; keeps it when it is whole and was made from the same file.

    `write` fills an empty folder from a GGUF file; transformers does unless told otherwise.

    Raises:
        ConversionFailedError: not a GGUF file, or one that transformers cannot read.
    """
    if not gguf.is_file():
        raise ConversionFailedError(gguf, "there is no such file")
    source_digest = file_digest(gguf)
    if not _is_made_from(folder, source_digest):
        _make(gguf, folder, source_digest=source_digest, write=write or write_with_transformers)
        is_new = True
    else:
        is_new = False
    return Converted(
        folder=folder,
        source_digest=source_digest,
        weights_bytes=examine(folder).weights_bytes,
        is_new=is_new,
    )


def _is_made_from(folder: Path, source_digest: str) -> bool:
    try:
        if not verify_digests(folder):
            return False
        examine(folder)
    except ModelServerError:
        return False
    made_from = json.loads((folder / DIGEST_FILE).read_bytes()).get(SOURCE)
    return bool(made_from == source_digest)


def _make(
    gguf: Path, folder: Path, *, source_digest: str, write: Callable[[Path, Path], None]
) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    # Beside the result, so that the last step is a rename within one file system.
    made = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}."))
    try:
        write(gguf, made)
        files = {path.name: file_digest(path) for path in sorted(made.iterdir())}
        digests = json.dumps({SOURCE: source_digest, "files": files}, indent=1)
        (made / DIGEST_FILE).write_text(digests + "\n")
        examine(made)
        for path in made.iterdir():
            path.chmod(0o644)
        made.chmod(0o755)
        _put_in_place(made, folder)
    finally:
        shutil.rmtree(made, ignore_errors=True)


def _put_in_place(made: Path, folder: Path) -> None:
    if folder.exists():
        old = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}.old."))
        folder.rename(old / folder.name)
        made.rename(folder)
        shutil.rmtree(old, ignore_errors=True)
    else:
        made.rename(folder)


def write_with_transformers(gguf: Path, folder: Path) -> None:
    """Reads `gguf` with transformers and saves model, tokenizer and chat template to `folder`.

    Weights are kept in half precision: Q4 and its like carry less, and vLLM casts as it loads.

    Raises:
        ConversionFailedError: transformers is not installed or cannot read the file.
    """
    # Both are read when transformers is imported.
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1")  # noqa: TID251  # set, not read
    try:
        import torch  # noqa: PLC0415  # takes seconds, and only this command needs it
        from transformers import (  # noqa: PLC0415
            AutoModelForCausalLM,
            AutoTokenizer,
            GgufConfig,
        )
    except ImportError as cause:
        problem = "torch and transformers are not installed here"
        raise ConversionFailedError(gguf, problem) from cause
    try:
        # Standard output belongs to the answer of the command.
        with redirect_stdout(sys.stderr):
            model = AutoModelForCausalLM.from_pretrained(
                gguf.parent,
                gguf_file=gguf.name,
                quantization_config=GgufConfig(dequantize=True),
                dtype=torch.float16,
            )
            # The weights are plain now; with this left in, vLLM would look for quantized ones.
            if hasattr(model.config, "quantization_config"):
                del model.config.quantization_config
            model.save_pretrained(folder)
            AutoTokenizer.from_pretrained(gguf.parent, gguf_file=gguf.name).save_pretrained(folder)
    except (OSError, ValueError, KeyError, RuntimeError, NotImplementedError) as cause:
        problem = f"transformers cannot read it ({type(cause).__name__})"
        raise ConversionFailedError(gguf, problem) from cause
