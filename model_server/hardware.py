"""What this machine offers: cores, memory and instructions, and its GPUs."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from model_server.errors import CpuUnsupportedError

MIB = 1024**2

# vLLM 0.32's CPU wheel has kernels for AVX2, for AVX-512, and for AVX-512 with bfloat16; it picks
# one when it starts, and AVX2 is the least of them.
NEEDED_CPU_FLAGS = ("avx2", "fma", "f16c")

_GPU_QUERY = "index,name,memory.total,memory.free"
_GPU_FIELDS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One NVIDIA GPU as its driver numbers it."""

    index: int
    name: str
    memory_bytes: int
    free_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Hardware:
    """What one process may use: `cores` and memory are what the control group leaves."""

    cores: int
    memory_bytes: int
    free_bytes: int
    cpu_flags: frozenset[str]
    gpus: tuple[Gpu, ...] = ()


def parse_cpu_flags(cpuinfo: str) -> frozenset[str]:
    """The instruction flags of the first core in /proc/cpuinfo; may be empty."""
    found = re.search(r"^flags\s*:\s*(.*)$", cpuinfo, re.MULTILINE)
    return frozenset(found[1].split()) if found else frozenset()


def parse_meminfo(meminfo: str) -> tuple[int, int]:
    """(total, available) bytes of /proc/meminfo."""
    kib = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+) kB", meminfo, re.M)}
    return kib["MemTotal"] * 1024, kib["MemAvailable"] * 1024


def parse_node_meminfo(meminfo: str) -> tuple[int, int]:
    """(total, free) bytes of one NUMA node; what only caches files counts as free."""
    kib = {
        name: int(value)
        for name, value in re.findall(r"^Node \d+ ([\w()]+):\s+(\d+) kB", meminfo, re.M)
    }
    cached = kib.get("Active(file)", 0) + kib.get("Inactive(file)", 0)
    return kib["MemTotal"] * 1024, (kib["MemFree"] + cached) * 1024


def parse_gpus(listing: str) -> tuple[Gpu, ...]:
    """The GPUs in nvidia-smi's `csv,noheader,nounits` answer; lines without figures are left out.

    A GPU cut into slices answers "[N/A]" for its memory, and one that fell off the bus an error.
    """
    gpus = []
    for line in listing.splitlines():
        fields = [field.strip() for field in line.split(",")]
        if len(fields) != _GPU_FIELDS or not (fields[2].isdigit() and fields[3].isdigit()):
            continue
        gpus.append(
            Gpu(
                index=int(fields[0]),
                name=fields[1],
                memory_bytes=int(fields[2]) * MIB,
                free_bytes=int(fields[3]) * MIB,
            )
        )
    return tuple(gpus)


def limited_memory(
    memory: tuple[int, int], *, limit: str | None, used: str | None
) -> tuple[int, int]:
    """(total, free) bytes within a control group that says `limit` and `used`."""
    total, free = memory
    if limit is None or used is None or not (limit.strip().isdigit() and used.strip().isdigit()):
        return total, free
    bound = int(limit)
    return min(total, bound), max(0, min(free, bound - int(used)))


def check_cpu(hardware: Hardware) -> None:
    """Passes when vLLM's CPU build can run here.

    Raises:
        CpuUnsupportedError: instructions are missing.
    """
    missing = tuple(flag for flag in NEEDED_CPU_FLAGS if flag not in hardware.cpu_flags)
    if missing:
        raise CpuUnsupportedError(missing)


def look(proc: Path = Path("/proc"), sys: Path = Path("/sys")) -> Hardware:
    """Reads what the machine offers now; free memory is what can be had without swapping."""
    groups = sys / "fs/cgroup"
    total, free = limited_memory(
        parse_meminfo((proc / "meminfo").read_text()),
        limit=_text(groups / "memory.max") or _text(groups / "memory/memory.limit_in_bytes"),
        used=_text(groups / "memory.current") or _text(groups / "memory/memory.usage_in_bytes"),
    )
    node = _text(sys / "devices/system/node/node0/meminfo")
    if node is not None:
        # vLLM binds a model on the CPU to the memory of one node, the first, and refuses a cache
        # that is larger than what is free there.
        node_total, node_free = parse_node_meminfo(node)
        total, free = min(total, node_total), min(free, node_free)
    return Hardware(
        cores=len(os.sched_getaffinity(0)),
        memory_bytes=total,
        free_bytes=free,
        cpu_flags=parse_cpu_flags((proc / "cpuinfo").read_text()),
        gpus=_gpus(),
    )


def _text(path: Path) -> str | None:
    try:
        return path.read_text()
    except OSError:
        return None


def _gpus() -> tuple[Gpu, ...]:
    program = shutil.which("nvidia-smi")
    if program is None:
        return ()
    command = [program, f"--query-gpu={_GPU_QUERY}", "--format=csv,noheader,nounits"]
    try:
        answer = subprocess.run(  # noqa: S603  # a fixed question to the driver's own program
            command, capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return ()
    return parse_gpus(answer.stdout) if answer.returncode == 0 else ()
