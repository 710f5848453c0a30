import os
import sys
from contextlib import ExitStack
from pathlib import Path

from tests.bench.processes import (
    allowed_cores,
    cpu_s,
    family,
    machine_cpu_s,
    memory_mb,
    on_core,
    start,
)
from tests.conftest import wait_until

WITH_A_CHILD = (
    "import subprocess, sys; "
    "subprocess.run([sys.executable, '-c', 'while sum(range(10000)): pass'])"
)


def test_a_childs_cpu_time_counts_and_it_ends_with_its_parent(tmp_path: Path) -> None:
    with ExitStack() as stack:
        command = [sys.executable, "-c", WITH_A_CHILD]
        pid = start(stack, command, core=allowed_cores().way, log=tmp_path / "log")
        wait_until(lambda: len(family(pid)) == 2 and cpu_s(pid) > 0.3)
        child = family(pid)[1]
        assert memory_mb(pid, peak=True) >= memory_mb(pid) > memory_mb(child) > 0
    assert not Path(f"/proc/{pid}").exists()
    wait_until(lambda: not Path(f"/proc/{child}").exists())


def test_what_is_started_on_a_core_stays_there_and_we_do_not() -> None:
    before = os.sched_getaffinity(0)
    with on_core(min(before)):
        assert os.sched_getaffinity(0) == {min(before)}
    assert os.sched_getaffinity(0) == before


def test_the_machine_has_spent_at_least_what_we_have() -> None:
    assert machine_cpu_s() > cpu_s(os.getpid()) > 0
