"""Whether a model fits into the memory of this machine, before it is started.

The figures are those by which the model server plans (`model_server/plan.py`), which has the last
word when it starts the model.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from install.preflight.probes import Gpu
from install.progress import size

GIB = 1024**3
# A driver, CUDA graphs and activations on each GPU; three processes with torch on a CPU.
OVERHEAD_BYTES = 2 * GIB
LEAST_CACHE_BYTES = GIB
# vLLM takes no more of a GPU's memory than this.
GPU_SHARE = 0.9
# What a model gets on a CPU when nothing is said.
CPU_CONTEXT_TOKENS = 8192
# Below this a model runs in float32 on a CPU that has no instructions for bfloat16.
TINY_PARAMETERS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one model asks for; of one that is not looked into, only the weights are known.

    `token_bytes` is what a token of context takes in the cache.
    """

    weights_bytes: int
    parameters: int = 0
    token_bytes: int = 0
    context_tokens: int = 0
    attention_heads: int = 0
    is_quantized: bool = False

    @property
    def cache_bytes(self) -> int:
        """One context of full length."""
        return max(LEAST_CACHE_BYTES, self.token_bytes * self.context_tokens)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """What can be had, GPU by GPU, or as one piece on a CPU."""

    device: str
    pieces: tuple[int, ...]
    has_bfloat16: bool = True

    @property
    def name(self) -> str:
        """For people."""
        return "GPU memory" if self.device == "cuda" else "memory"

    @property
    def total(self) -> int:
        """All of it."""
        return sum(self.pieces)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """What is needed, of each of `width` GPUs or of the memory, and what there is of that."""

    needed_bytes: int
    had_bytes: int
    width: int
    name: str

    @property
    def is_good(self) -> bool:
        """Whether it fits."""
        return self.needed_bytes <= self.had_bytes

    @property
    def sentence(self) -> str:
        """The numbers, for a person."""
        where = f"{self.name} on each of {self.width} GPUs" if self.width > 1 else self.name
        had = f"{size(self.had_bytes)} can be had" if self.had_bytes else "none can be had"
        return f"{size(self.needed_bytes)} of {where} are needed, {had}"


def gpu_memory(gpus: Iterable[Gpu], *, are_ours: bool) -> Memory:
    """What vLLM may take of each GPU; with `are_ours`, what is taken is the running model's."""
    shares = (
        GPU_SHARE * gpu.memory_bytes
        if are_ours
        else gpu.free_bytes - (1 - GPU_SHARE) * gpu.memory_bytes
        for gpu in gpus
    )
    return Memory(device="cuda", pieces=tuple(max(0, int(each)) for each in shares))


def fit(figures: Figures, memory: Memory) -> Fit:
    """The first way in which the model fits; else the one with the least for each GPU."""
    if memory.device == "cpu":
        needed = _loaded_bytes(figures, memory) + OVERHEAD_BYTES + figures.cache_bytes
        return Fit(needed_bytes=needed, had_bytes=memory.total, width=1, name=memory.name)
    pieces = sorted(memory.pieces, reverse=True)
    tried = [_over(figures, pieces, width) for width in _widths(pieces, figures.attention_heads)]
    return next((each for each in tried if each.is_good), tried[-1])


def _over(figures: Figures, pieces: Sequence[int], width: int) -> Fit:
    needed = (figures.weights_bytes + figures.cache_bytes) // width + OVERHEAD_BYTES
    had = min(pieces[:width], default=0)
    return Fit(needed_bytes=needed, had_bytes=had, width=width, name="GPU memory")


def _widths(pieces: Sequence[int], heads: int) -> list[int]:
    widths = [2**power for power in range(max(1, len(pieces).bit_length()))]
    return [each for each in widths if heads % each == 0]


def _loaded_bytes(figures: Figures, memory: Memory) -> int:
    if figures.is_quantized or not figures.parameters:
        return figures.weights_bytes
    is_tiny = figures.parameters < TINY_PARAMETERS
    return figures.parameters * (4 if is_tiny and not memory.has_bfloat16 else 2)
