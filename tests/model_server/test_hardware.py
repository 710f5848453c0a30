from pathlib import Path

import pytest

from model_server import hardware
from model_server.errors import GIB, CpuUnsupportedError
from model_server.hardware import (
    MIB,
    check_cpu,
    limited_memory,
    look,
    parse_cpu_flags,
    parse_gpus,
    parse_meminfo,
)
from tests.model_server.builders import a_machine

CPUINFO = "processor\t: 0\nflags\t\t: fpu avx2 fma f16c\n\nprocessor\t: 1\nflags\t\t: fpu\n"
MEMINFO = "MemTotal:       16000 kB\nMemFree:  1 kB\nMemAvailable:    9000 kB\nHugePages_Total: 0\n"


def test_flags_are_the_first_cores() -> None:
    assert parse_cpu_flags(CPUINFO) == {"fpu", "avx2", "fma", "f16c"}


def test_a_kernel_that_lists_no_flags_gives_none() -> None:
    assert parse_cpu_flags("processor : 0\n") == frozenset()


def test_free_memory_is_what_can_be_had_without_swapping() -> None:
    assert parse_meminfo(MEMINFO) == (16000 * 1024, 9000 * 1024)


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [
        (None, None, (100, 80)),
        ("max\n", "50\n", (100, 80)),
        ("60\n", "50\n", (60, 10)),
        ("60\n", "70\n", (60, 0)),
        ("500\n", "1\n", (100, 80)),
    ],
)
def test_a_control_group_bounds_memory(
    limit: str | None, used: str | None, expected: tuple[int, int]
) -> None:
    assert limited_memory((100, 80), limit=limit, used=used) == expected


def test_gpus_are_read_with_their_memory() -> None:
    (gpu,) = parse_gpus("3, NVIDIA H200, 143771, 143167\n")
    assert (gpu.index, gpu.name) == (3, "NVIDIA H200")
    assert gpu.memory_bytes == 143771 * 1024**2
    assert gpu.free_bytes == 143167 * 1024**2


@pytest.mark.parametrize("line", ["", "0, NVIDIA H200, [N/A], [N/A]", "Unable to determine"])
def test_gpus_without_figures_are_left_out(line: str) -> None:
    assert parse_gpus(line) == ()


def test_a_processor_with_all_instructions_passes() -> None:
    check_cpu(a_machine())


def test_missing_instructions_are_all_named() -> None:
    with pytest.raises(CpuUnsupportedError, match="avx2, fma"):
        check_cpu(a_machine(cpu_flags=frozenset({"f16c"})))


def a_proc(folder: Path) -> Path:
    (folder / "meminfo").write_text(MEMINFO)
    (folder / "cpuinfo").write_text(CPUINFO)
    return folder


def test_a_look_joins_what_the_machine_says(tmp_path: Path) -> None:
    seen = look(a_proc(tmp_path), tmp_path)
    assert seen.memory_bytes == 16000 * 1024
    assert "avx2" in seen.cpu_flags
    assert seen.cores >= 1


@pytest.mark.parametrize(
    ("limit", "used"),
    [
        ("memory.max", "memory.current"),
        ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"),
    ],
)
def test_a_control_group_of_either_version_bounds_memory(
    tmp_path: Path, limit: str, used: str
) -> None:
    groups = tmp_path / "fs" / "cgroup"
    (groups / "memory").mkdir(parents=True)
    (groups / limit).write_text(f"{8 * MIB}\n")
    (groups / used).write_text(f"{MIB}\n")
    seen = look(a_proc(tmp_path), tmp_path)
    assert (seen.memory_bytes, seen.free_bytes) == (8 * MIB, 7 * MIB)


def test_a_numa_node_bounds_memory(tmp_path: Path) -> None:
    node = tmp_path / "devices/system/node/node0"
    node.mkdir(parents=True)
    (node / "meminfo").write_text(
        "Node 0 MemTotal:  5000 kB\nNode 0 MemFree:  100 kB\nNode 0 Inactive(file):  20 kB\n"
    )
    seen = look(a_proc(tmp_path), tmp_path)
    assert (seen.memory_bytes, seen.free_bytes) == (5000 * 1024, 120 * 1024)


def test_this_machine_has_memory() -> None:
    assert look().memory_bytes > GIB / 4


@pytest.mark.parametrize(
    ("body", "found"),
    [("echo '0, A, 100, 50'", 1), ("exit 9", 0)],
)
def test_the_drivers_own_program_is_asked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str, found: int
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text(f"#!/bin/sh\n{body}\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert len(look().gpus) == found


def test_a_driver_program_that_cannot_run_means_no_gpu(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/nowhere/at/all\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert hardware.look().gpus == ()
