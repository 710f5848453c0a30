"""Why vLLM ended, read from its last log lines: one sentence that an admin can act on."""

import re
import signal
from collections.abc import Sequence

# The first that matches any line wins, so what explains most stands first. Port, architecture,
# context, cache and weights that do not fit were brought about with vLLM 0.32 on a CPU; the rest,
# and all that speaks of CUDA, is what its source and torch's say.
_SENTENCES: dict[str, tuple[str, ...]] = {
    "The GPU ran out of memory; serve a smaller model or give it less context.": (
        r"CUDA out of memory",
        r"torch\.OutOfMemoryError",
    ),
    "Another program holds the GPU's memory; stop it, or lower the memory fraction.": (
        r"Free memory on device .* is less than desired GPU memory utilization",
    ),
    "Too little memory is left for the cache; give the model less context.": (
        r"No available memory for the cache blocks",
        r"KV cache is needed, which is larger",
        r"is less than requested memory for kv",
    ),
    "The machine ran out of memory; serve a smaller model or free some memory.": (
        r"not enough memory",
        r"MemoryError",
        r"can(no|')t allocate memory",
    ),
    "The port is taken by another program.": (r"Address already in use",),
    "The architecture of this model is not known to vLLM.": (
        r"Model architectures? .* (are|is) not supported",
        r"does not recognize this architecture",
        r"has no vLLM implementation",
    ),
    "The weights are damaged; copy the model folder again.": (
        r"SafetensorError",
        r"Error while deserializing header",
    ),
    "The weights do not fit the model's config; copy the model folder again.": (
        r"weights were not initialized from checkpoint",
        r"There is no module or parameter named",
        r"size mismatch",
    ),
    "The tokenizer cannot be read; copy the model folder again.": (
        r"Can't load tokenizer",
        r"Couldn't instantiate the backend tokenizer",
        r"data did not match any variant",
    ),
    "More context is asked for than the model has.": (
        r"is greater than the derived max_model_len",
    ),
    "The GPU or its driver failed; `nvidia-smi` says more.": (
        r"CUDA driver version is insufficient",
        r"no CUDA-capable device",
        r"CUDA error",
    ),
    "The environment of the model server has no vLLM.": (r"No module named '?vllm",),
    "The version of vLLM is not the one this release is made for.": (
        r"unrecognized arguments",
        r"invalid choice",
    ),
    "The disk is full.": (r"No space left on device",),
    "A part of vLLM died; its log says more.": (r"EngineDeadError", r"died unexpectedly"),
}
_PATTERNS = {
    sentence: re.compile("|".join(patterns), re.IGNORECASE)
    for sentence, patterns in _SENTENCES.items()
}


def why(lines: Sequence[str], *, exit_code: int | None) -> str:
    """The likeliest reason; `exit_code` is the guard's, None while vLLM is still there."""
    for sentence, pattern in _PATTERNS.items():
        if any(pattern.search(line) for line in lines):
            return sentence
    if exit_code is None:
        return "vLLM no longer answers."
    # A shell's way to write "ended by a signal", which the guard follows.
    if exit_code in {128 + signal.SIGKILL, -signal.SIGKILL}:
        return "vLLM was killed; the kernel does that when memory runs out."
    return f"vLLM ended by itself with exit code {exit_code}; its log says more."
