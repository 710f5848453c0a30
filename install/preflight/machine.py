"""What must be true of a machine before anything is put on it: facts, and a sentence for each."""

import errno
import importlib.util
import os
import platform
import shutil
import socket
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from install import processes
from install.config import LOOPBACK, STARTER, Config
from install.errors import RunsOtherwiseError, UnfitMachineError
from install.places import Places

# vLLM's CPU wheel carries kernels for AVX2 and AVX-512; those for AVX2 use the other two as well.
CPU_FLAGS = frozenset({"avx2", "fma", "f16c"})

# Installed size plus what pip and the conversion need beside it, rounded up from measurements.
SERVICES_BYTES = 500_000_000
MODEL_SERVER_BYTES = {"cpu": 3_500_000_000, "cuda": 22_000_000_000}
STARTER_BYTES = 900_000_000
RUNNING_BYTES = 300_000_000
# Instance, gateway, vLLM's processes and the demonstration model with its cache.
MEMORY_BYTES = 3_000_000_000

SOCKET_PATH_BYTES = 107
# In supervisor's configuration these end a value, or begin a comment.
BAD_HOME_CHARACTERS = frozenset(";#\"'\\")


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What was found on this machine.

    `taken` says of each port why it cannot be used; `memory_bytes` is None where nothing more will
    be needed, because the services already run.
    """

    python: tuple[int, int]
    implementation: str
    system: str
    machine: str
    cpu_flags: frozenset[str]
    has_venv: bool
    home: Path
    home_is_writable: bool
    socket_path_bytes: int
    free_bytes: int
    needed_bytes: int
    memory_bytes: int | None
    ports: dict[str, int]
    taken: dict[int, str]


def problems(facts: Facts, *, device: str) -> list[str]:
    """One sentence for each thing that is not as it must be."""
    return [
        *_python_problems(facts),
        *_machine_problems(facts, device=device),
        *_home_problems(facts),
        *_port_problems(facts),
    ]


def _python_problems(facts: Facts) -> list[str]:
    found = []
    if facts.python != (3, 11) or facts.implementation != "cpython":
        version = ".".join(map(str, facts.python))
        found.append(f"CPython 3.11 is needed, this is {facts.implementation} {version}.")
    if not facts.has_venv:
        found.append(
            "Python's venv module is incomplete here; install it (Debian: python3.11-venv)."
        )
    return found


def _machine_problems(facts: Facts, *, device: str) -> list[str]:
    if (facts.system, facts.machine) != ("Linux", "x86_64"):
        return [f"Linux on x86_64 is needed, this is {facts.system} on {facts.machine}."]
    missing = sorted(CPU_FLAGS - facts.cpu_flags)
    if device == "cpu" and missing:
        lacks = f"This CPU lacks {', '.join(missing)}, which vLLM's CPU build needs"
        return [f"{lacks}; use a machine with AVX2 or an NVIDIA GPU."]
    return []


def _home_problems(facts: Facts) -> list[str]:
    found = []
    text = str(facts.home)
    if BAD_HOME_CHARACTERS & set(text) or not text.isprintable():
        found.append(f"The home {text!r} holds quotes, ; # or \\; choose another CASEMATE_HOME.")
    if not facts.home_is_writable:
        found.append(f"{facts.home} cannot be written by this user; set CASEMATE_HOME elsewhere.")
    if facts.socket_path_bytes > SOCKET_PATH_BYTES:
        found.append(f"The supervisor's socket path is longer than {SOCKET_PATH_BYTES} bytes.")
    if facts.free_bytes < facts.needed_bytes:
        found.append(
            f"{facts.home} has {facts.free_bytes / 1e9:.1f} GB free, "
            f"{facts.needed_bytes / 1e9:.1f} GB are needed."
        )
    if facts.memory_bytes is not None and facts.memory_bytes < MEMORY_BYTES:
        found.append(
            f"{facts.memory_bytes / 1e9:.1f} GB of memory are free, about "
            f"{MEMORY_BYTES / 1e9:.0f} GB are needed."
        )
    return found


def _port_problems(facts: Facts) -> list[str]:
    counts = Counter(facts.ports.values())
    found = []
    for port, count in counts.items():
        if count > 1:
            names = " and ".join(name for name, each in facts.ports.items() if each == port)
            found.append(f"{names} cannot both listen on port {port}.")
    for name, port in facts.ports.items():
        if port in facts.taken and counts[port] == 1:
            flag = f"--{name.replace(' ', '-')}-port"
            found.append(f"The {name} port {port} {facts.taken[port]}; choose another with {flag}.")
    return found


def gather(places: Places, config: Config, *, device: str) -> Facts:
    """Looks at this machine; changes nothing."""
    existing = next(each for each in (places.home, *places.home.parents) if each.exists())
    return Facts(
        python=sys.version_info[:2],
        implementation=sys.implementation.name,
        system=platform.system(),
        machine=platform.machine(),
        cpu_flags=cpu_flags(Path("/proc/cpuinfo")),
        has_venv=bool(importlib.util.find_spec("venv") and importlib.util.find_spec("ensurepip")),
        home=places.home,
        home_is_writable=existing.is_dir() and os.access(existing, os.W_OK | os.X_OK),
        socket_path_bytes=len(bytes(places.socket)),
        free_bytes=shutil.disk_usage(existing).free,
        needed_bytes=needed_bytes(places, config, device=device),
        memory_bytes=None if processes.services_of(places.home) else free_memory(Path("/")),
        ports=config.ports,
        taken=taken_ports(places.home, config),
    )


def check(places: Places, config: Config, *, device: str) -> Facts:
    """Returns what was found when all is well.

    Raises:
        UnfitMachineError: with every problem at once.
    """
    facts = gather(places, config, device=device)
    found = problems(facts, device=device)
    if found:
        raise UnfitMachineError(found)
    return facts


def check_kind(places: Places, config: Config) -> None:
    """Passes when the home was not set up in the other way: its contents would not move over.

    Raises:
        RunsOtherwiseError: it was.
    """
    if config.containers and places.filled_processes.exists():
        sentence = (
            f"{places.home} was set up with `up` and holds its own users and keys; for containers "
            "set CASEMATE_HOME to another folder, or `up` without --compose."
        )
        raise RunsOtherwiseError(sentence)
    if not config.containers and places.filled_containers.exists():
        sentence = (
            f"{places.home} was set up with `up --compose`, its users and keys lie in volumes; "
            "give --compose, or set CASEMATE_HOME to another folder."
        )
        raise RunsOtherwiseError(sentence)


def needed_bytes(places: Places, config: Config, *, device: str) -> int:
    """What is still to be put on the disk."""
    needed = RUNNING_BYTES
    if not (places.services / "stamp.json").exists():
        needed += SERVICES_BYTES
    if not config.containers and not (places.model_server / "stamp.json").exists():
        needed += MODEL_SERVER_BYTES[device]
    if config.model == STARTER and not any(places.models.glob("*/config.json")):
        needed += STARTER_BYTES
    return needed


def cpu_flags(cpuinfo: Path) -> frozenset[str]:
    """The first core's flags; empty where the kernel does not say."""
    try:
        lines = cpuinfo.read_text("utf-8").splitlines()
    except OSError:
        return frozenset()
    flags = (line.partition(":")[2].split() for line in lines if line.startswith("flags"))
    return frozenset(next(flags, ()))


def free_memory(root: Path) -> int:
    """Bytes that can still be had: what the kernel estimates, less where a container is limited."""
    lines = (root / "proc" / "meminfo").read_text("ascii").splitlines()
    values = dict(line.split(":", 1) for line in lines)
    free = int(values["MemAvailable"].split()[0]) * 1024
    group = root / "sys" / "fs" / "cgroup"
    try:
        limit = int((group / "memory.max").read_text("ascii"))
        used = int((group / "memory.current").read_text("ascii"))
    except (OSError, ValueError):
        return free
    return min(free, limit - used)


def taken_ports(home: Path, config: Config) -> dict[int, str]:
    """Why each port that cannot be had cannot; our own running services do not count."""
    found = {}
    for name, port in config.ports.items():
        host = config.listen if name in {"instance", "gateway"} else LOOPBACK
        reason = why_not(host, port)
        if reason and not any(processes.is_below_service_of(pid, home) for pid in _holders(port)):
            found[port] = reason
    return found


def _holders(port: int) -> list[int]:
    return processes.listeners(port)


def why_not(host: str, port: int) -> str | None:
    """Why nothing new can listen there, as the end of a sentence; None when it can."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as cause:
            if cause.errno == errno.EADDRNOTAVAIL:
                return f"cannot be opened, because {host} is no address of this machine"
            if cause.errno == errno.EACCES:
                return "may only be opened by root"
            return f"is taken{_by_whom(port)}"
    return None


def _by_whom(port: int) -> str:
    for pid in _holders(port):
        try:
            name = (processes.PROC / str(pid) / "comm").read_text("utf-8").strip()
        except OSError:
            continue
        return f" by process {pid} ({name})"
    return " by another program"


def find_device(told: str) -> str:
    """`cuda` where nvidia-smi lists a GPU, else `cpu`, unless the setting says which."""
    if told != "auto":
        return told
    program = shutil.which("nvidia-smi")
    if program is None:
        return "cpu"
    try:
        found = subprocess.run(
            [program, "-L"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return "cpu"
    return "cuda" if found.returncode == 0 and "GPU " in found.stdout else "cpu"
