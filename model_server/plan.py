"""Which arguments and environment one vLLM is started with: a pure function of what was found."""

from dataclasses import dataclass
from math import ceil
from pathlib import Path

from model_server.door import Door
from model_server.errors import GIB, NotEnoughMemoryError
from model_server.hardware import Gpu, Hardware, check_cpu
from model_server.specs import ModelSpec
from model_server.weights import Weights

# Below this a model is "tiny": it runs in float32 on a CPU without bfloat16 instructions.
TINY_PARAMETERS = 1_000_000_000

# A GPU's driver, CUDA graphs and activations, beside weights and cache.
GPU_OVERHEAD_BYTES = 2 * GIB
# The least share of a GPU's usable memory that must be left for the cache.
GPU_CACHE_SHARE = 0.1
# Three Python processes with torch, and what a step computes with, beside weights and cache:
# 1.8 GB measured as proportional set size.
CPU_OVERHEAD_BYTES = 2 * GIB

# How much context a model gets on a CPU when nothing is said: prefill takes about 1 ms a token
# there for a model of 135 M parameters, so more is of little use.
CPU_CONTEXT_TOKENS = 8192
# The cache on a CPU holds at least this many contexts of full length, memory permitting.
CPU_FULL_CONTEXTS = 4
# Measured with SmolLM2-135M and vLLM 0.32 on two cores of an AMD EPYC that others used as well:
# tokens/s with 1 / 8 / 32 requests at once, seconds for a prompt of 1,500 tokens:
#   float32                               41 / 228 / 424    2.3
#   bfloat16                              61 / 347 / 639    1.5
#   float32, threads not bound            38 / 221 / 491    1.8
#   bfloat16, no core reserved            55 / 387 / 869    0.95
#   bfloat16, 512 tokens a step           63 / 337 / 630    1.3
#   bfloat16, 512, Intel's OpenMP         61 / 330 / 610    1.3
# With no core reserved one stream fell to 38 while another program kept a core busy.
# Start-up took 29 to 46 s in all of them: three processes one after another import torch.
# Rates still grow at 32 requests; more would make each stream slower than people read.
CPU_SEQUENCES_PER_CORE = 16
# One long prompt holds up every running stream for one step only; it costs no throughput.
CPU_BATCHED_TOKENS = 512
# Up to here vLLM computes on every core; above, it leaves one to the API process and the others.
CPU_CORES_ALL_USED = 2

# Tool calls are parsed only for families whose way of writing them vLLM 0.32 knows.
TOOL_PARSERS = {
    "codestral": "mistral",
    "llama3": "llama3_json",
    "mistral": "mistral",
    "mixtral": "mistral",
    "qwen": "hermes",
}

# No telemetry, no hub, no plug-ins from elsewhere, nothing of a request in the log, and the
# engine's own sockets on loopback. SPT_NOENV keeps the process title from overwriting the
# environment, by which leftovers of a killed server are recognised.
SILENCE = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_DO_NOT_TRACK": "1",
    "DO_NOT_TRACK": "1",
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "HF_DATASETS_OFFLINE": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "OTEL_SDK_DISABLED": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "VLLM_PLUGINS": "",
    "VLLM_DEBUG_LOG_API_SERVER_RESPONSE": "0",
    "VLLM_LOGGING_COLOR": "0",
    "VLLM_HOST_IP": "127.0.0.1",
    "GLOO_SOCKET_IFNAME": "lo",
    "NCCL_SOCKET_IFNAME": "lo",
    "TOKENIZERS_PARALLELISM": "false",
    "SPT_NOENV": "1",
    "NO_COLOR": "1",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where one model is served, and what it shares the machine with.

    `models_left` counts the models that are still to be started, this one included.
    """

    host: str
    port: int
    cache_folder: Path
    gpu_memory_fraction: float = 0.9
    models_left: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What follows the command, and what the environment gets; neither holds a secret."""

    arguments: tuple[str, ...]
    environment: dict[str, str]
    needed_bytes: int


def plan_model(spec: ModelSpec, weights: Weights, *, machine: Hardware, place: Place) -> Plan:
    """Plans one model on the machine as it is now.

    Raises:
        CpuUnsupportedError: no GPU, and the processor is too old.
        NotEnoughMemoryError: the model does not fit into what is free.
    """
    if machine.gpus:
        return _on_gpus(spec, weights, machine=machine, place=place)
    check_cpu(machine)
    return _on_cpu(spec, weights, machine=machine, place=place)


def _on_cpu(spec: ModelSpec, weights: Weights, *, machine: Hardware, place: Place) -> Plan:
    dtype, element_bytes = _cpu_dtype(weights, machine.cpu_flags)
    loaded = weights.weights_bytes
    if not weights.is_quantized:
        loaded = weights.parameters * element_bytes
    context = min(weights.max_context_tokens, spec.context_tokens or CPU_CONTEXT_TOKENS)
    token_bytes = _cache_bytes_per_token(weights, element_bytes)
    spare = machine.free_bytes - loaded - CPU_OVERHEAD_BYTES
    if spare < GIB:
        raise NotEnoughMemoryError(
            needed_bytes=loaded + CPU_OVERHEAD_BYTES + GIB,
            free_bytes=machine.free_bytes,
            place="memory",
        )
    wanted_gib = ceil(CPU_FULL_CONTEXTS * context * token_bytes / GIB)
    # The other half of what is spare stays for the models that follow and for the page cache.
    cache_gib = max(1, min(wanted_gib, spare // 2 // GIB))
    context = min(context, cache_gib * GIB // token_bytes)
    sequences = max(CPU_SEQUENCES_PER_CORE, CPU_SEQUENCES_PER_CORE * machine.cores)
    return Plan(
        arguments=(
            *_arguments(spec, weights, place),
            *("--dtype", dtype),
            *("--max-model-len", str(context)),
            *("--max-num-seqs", str(sequences)),
            *("--max-num-batched-tokens", str(max(CPU_BATCHED_TOKENS, sequences))),
            "--enforce-eager",
        ),
        environment={
            **_environment(place),
            "VLLM_CPU_KVCACHE_SPACE": str(cache_gib),
            "VLLM_CPU_NUM_OF_RESERVED_CPU": "0" if machine.cores <= CPU_CORES_ALL_USED else "1",
            "CUDA_VISIBLE_DEVICES": "",
        },
        needed_bytes=loaded + cache_gib * GIB + CPU_OVERHEAD_BYTES,
    )


def _cpu_dtype(weights: Weights, flags: frozenset[str]) -> tuple[str, int]:
    if weights.is_quantized:
        return "auto", 2
    if weights.parameters < TINY_PARAMETERS and "avx512_bf16" not in flags:
        return "float32", 4
    return "bfloat16", 2


def _on_gpus(spec: ModelSpec, weights: Weights, *, machine: Hardware, place: Place) -> Plan:
    gpus = sorted(machine.gpus, key=lambda gpu: gpu.free_bytes, reverse=True)
    sharing = ceil(place.models_left / len(gpus))
    for width in _widths(len(gpus), weights.attention_heads):
        chosen = gpus[:width]
        share = min(_usable_share(gpu, place.gpu_memory_fraction) for gpu in chosen) / sharing
        usable = int(share * min(gpu.memory_bytes for gpu in chosen))
        needed = weights.weights_bytes // width + GPU_OVERHEAD_BYTES
        if needed <= usable * (1 - GPU_CACHE_SHARE):
            return _gpu_plan(spec, weights, place=place, gpus=chosen, share=share)
    raise NotEnoughMemoryError(
        needed_bytes=weights.weights_bytes + GPU_OVERHEAD_BYTES,
        free_bytes=sum(gpu.free_bytes for gpu in gpus),
        place="GPU memory",
    )


def _gpu_plan(
    spec: ModelSpec, weights: Weights, *, place: Place, gpus: list[Gpu], share: float
) -> Plan:
    # Without a wish vLLM itself takes the longest context that its cache can hold.
    wished = spec.context_tokens
    context = "auto" if wished is None else str(min(wished, weights.max_context_tokens))
    return Plan(
        arguments=(
            *_arguments(spec, weights, place),
            *("--dtype", "auto"),
            *("--max-model-len", context),
            *("--tensor-parallel-size", str(len(gpus))),
            *("--gpu-memory-utilization", f"{int(share * 100) / 100:.2f}"),
        ),
        environment={
            **_environment(place),
            # nvidia-smi numbers GPUs by their place on the bus, CUDA by their speed unless told.
            "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
            "CUDA_VISIBLE_DEVICES": ",".join(str(gpu.index) for gpu in gpus),
        },
        needed_bytes=weights.weights_bytes + len(gpus) * GPU_OVERHEAD_BYTES,
    )


def _widths(gpus: int, heads: int) -> list[int]:
    """Over how many GPUs a model may be cut: powers of two that divide its attention heads."""
    return [2**power for power in range(gpus.bit_length()) if heads % 2**power == 0]


def _usable_share(gpu: Gpu, fraction: float) -> float:
    """The part of a GPU's whole memory that vLLM may take, what others hold already taken off."""
    return max(0.0, gpu.free_bytes / gpu.memory_bytes - (1 - fraction))


def _cache_bytes_per_token(weights: Weights, element_bytes: int) -> int:
    return 2 * weights.layers * weights.kv_heads * weights.head_size * element_bytes


def _arguments(spec: ModelSpec, weights: Weights, place: Place) -> tuple[str, ...]:
    parser = TOOL_PARSERS.get(spec.family.lower())
    tools = ("--enable-auto-tool-choice", "--tool-call-parser", parser) if parser else ()
    return (
        *("--model", str(weights.folder)),
        *("--served-model-name", spec.ref),
        *("--host", place.host),
        *("--port", str(place.port)),
        "--enable-prefix-caching",
        "--no-enable-log-requests",
        "--disable-uvicorn-access-log",
        "--disable-fastapi-docs",
        *("--middleware", f"{Door.__module__}.{Door.__qualname__}"),
        *tools,
    )


def _environment(place: Place) -> dict[str, str]:
    return {
        **SILENCE,
        # vLLM imports the door from where this very code lies.
        "PYTHONPATH": str(Path(__file__).parent.parent),
        "VLLM_CACHE_ROOT": str(place.cache_folder / "vllm"),
        "VLLM_CONFIG_ROOT": str(place.cache_folder / "vllm-config"),
        "HF_HOME": str(place.cache_folder / "huggingface"),
        "TORCHINDUCTOR_CACHE_DIR": str(place.cache_folder / "torchinductor"),
        "TRITON_CACHE_DIR": str(place.cache_folder / "triton"),
    }
