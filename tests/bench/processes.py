"""Starts the programs of a bench on chosen cores, and reads what they cost from the kernel."""

import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Cores:
    """Where the way that is measured runs, and where the mock endpoint and the driver run."""

    way: int
    bench: int

    @property
    def are_apart(self) -> bool:
        """Whether the way has a core to itself."""
        return self.way != self.bench


def allowed_cores() -> Cores:
    """The first and the last core that this process may use."""
    allowed = sorted(os.sched_getaffinity(0))
    return Cores(way=allowed[0], bench=allowed[-1])


@contextmanager
def on_core(core: int) -> Iterator[None]:
    """What is started within inherits the core, threads that it starts later included."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(
    stack: ExitStack,
    command: list[str],
    *,
    core: int,
    log: Path,
    env: Mapping[str, str] | None = None,
) -> int:
    """Starts a program whose output goes to `log`; it ends with the stack. Its process id."""
    output = stack.enter_context(log.open("wb"))
    with on_core(core):
        process = subprocess.Popen(
            command,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    stack.callback(_end, process)
    return process.pid


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(timeout=10)
    # What it started is in its process group, and must not outlive the bench either.
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def family(pid: int) -> list[int]:
    """The process and all that it started, as far as they live."""
    found = [pid]
    for each in found:
        for thread in Path(f"/proc/{each}/task").glob("*/children"):
            found += [int(child) for child in thread.read_text().split()]
    return found


def cpu_s(pid: int) -> float:
    """CPU seconds, user and system, that the process and its children have used so far."""
    # The kernel's clock of another process's CPU time: to the nanosecond, where /proc/PID/stat
    # counts in steps of 10 ms, and with the threads that have ended.
    return sum(time.clock_gettime((~each << 3) | 2) for each in family(pid))


def machine_cpu_s() -> float:
    """CPU seconds that all cores have spent so far on anything, a host's theft included."""
    fields = Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]
    user, nice, system, _idle, _wait, hard, soft, stolen = (int(field) for field in fields)
    return (user + nice + system + hard + soft + stolen) / os.sysconf("SC_CLK_TCK")


def memory_mb(pid: int, *, peak: bool = False) -> float:
    """Resident memory of the process and its children, now or at its highest."""
    wanted = "VmHWM:" if peak else "VmRSS:"
    total_kb = 0
    for each in family(pid):
        for line in Path(f"/proc/{each}/status").read_text().splitlines():
            if line.startswith(wanted):
                total_kb += int(line.split()[1])
    return total_kb / 1024
