"""Looks at single things of this machine: its disk's speed, its GPUs, its clock's keeper."""

import os
import re
import shutil
import subprocess
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from install import processes

MIB = 1024**2
PROBE_BYTES = 64 * MIB
PATIENCE_S = 30.0
GPU_QUERY = "index,name,memory.total,memory.free,driver_version"


@dataclass(frozen=True, slots=True, kw_only=True)
class Gpu:
    """One NVIDIA GPU as its driver tells it."""

    index: int
    name: str
    memory_bytes: int
    free_bytes: int
    driver: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DiskSpeed:
    """How fast a folder takes and gives a file of `PROBE_BYTES`, in bytes a second."""

    written: float
    read: float


def existing(folder: Path) -> Path:
    """The folder, or the nearest above it that is there."""
    return next(each for each in (folder, *folder.parents) if _is_there(each))


def _is_there(folder: Path) -> bool:
    try:
        return folder.exists()
    except PermissionError:
        # Below a folder that is closed to this user, such as the engine's.
        return False


def disk_speed(folder: Path) -> DiskSpeed | None:
    """Writes a file through to the disk and reads it back; None where it cannot be written.

    Zeros would be too easy for a disk that compresses, so the content is random.
    """
    block = os.urandom(MIB)
    try:
        with tempfile.TemporaryFile(dir=existing(folder), buffering=0) as file:
            began = time.perf_counter()
            for _ in range(PROBE_BYTES // MIB):
                file.write(block)
            os.fsync(file.fileno())
            written = time.perf_counter()
            # What was just written lies in memory, where reading it would say nothing.
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            file.seek(0)
            while file.read(MIB):
                pass
            done = time.perf_counter()
    except OSError:
        return None
    return DiskSpeed(written=PROBE_BYTES / (written - began), read=PROBE_BYTES / (done - written))


def gpus() -> tuple[Gpu, ...]:
    """The GPUs that nvidia-smi gives figures for; none where there is no driver."""
    words = ["nvidia-smi", f"--query-gpu={GPU_QUERY}", "--format=csv,noheader,nounits"]
    return parse_gpus(said_by(words) or "")


def parse_gpus(listing: str) -> tuple[Gpu, ...]:
    """Reads nvidia-smi's lines; one without figures, as of a GPU cut into slices, is left out."""
    found = []
    for line in listing.splitlines():
        match [each.strip() for each in line.split(",")]:
            case [index, name, total, free, driver] if total.isdigit() and free.isdigit():
                found.append(
                    Gpu(
                        index=int(index),
                        name=name,
                        memory_bytes=int(total) * MIB,
                        free_bytes=int(free) * MIB,
                        driver=driver,
                    )
                )
            case _:
                continue
    return tuple(found)


def openssl_version() -> tuple[int, ...] | None:
    """The version of the `openssl` that signatures are checked with; None without one."""
    said = re.match(r"OpenSSL (\d+)\.(\d+)\.(\d+)", said_by(["openssl", "version"]) or "")
    return tuple(map(int, said.groups())) if said else None


def is_clock_kept() -> bool | None:
    """Whether a time server keeps the clock; None where systemd does not tell."""
    words = ["timedatectl", "show", "--property", "NTPSynchronized", "--value"]
    return {"yes": True, "no": False}.get((said_by(words) or "").strip())


def said_by(words: Sequence[str]) -> str | None:
    """What a program prints; None where it is not there, fails or does not end."""
    program = shutil.which(words[0])
    if program is None:
        return None
    try:
        done = subprocess.run(
            [program, *words[1:]],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return done.stdout if done.returncode == 0 else None


def total_memory() -> int:
    """All the memory of this machine, in bytes."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def held_bytes(home: Path) -> int:
    """The memory that the running services of a home will give back when they stop."""
    total = 0
    for process in processes.services_of(home):
        try:
            text = (processes.PROC / str(process.pid) / "smaps_rollup").read_text("ascii")
        except OSError:
            continue
        own = re.search(r"^Pss:\s+(\d+) kB", text, re.MULTILINE)
        total += int(own[1]) * 1024 if own else 0
    return total
