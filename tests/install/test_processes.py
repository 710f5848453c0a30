import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from install import processes

SLEEPER = "import signal; print('up', flush=True); signal.pause()"
DEAF = (
    "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True)\n"
    "while True: signal.pause()"
)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    return tmp_path / "home"


def start(code: str, **environment: str) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
    )
    assert child.stdout
    child.stdout.readline()
    return child


@pytest.fixture
def service(home: Path) -> Iterator[subprocess.Popen[str]]:
    with start(SLEEPER, CASEMATE_RUN=str(home)) as child:
        yield child
        child.kill()


def test_a_service_is_known_by_its_mark(home: Path, service: subprocess.Popen[str]) -> None:
    assert [each.pid for each in processes.services_of(home)] == [service.pid]
    assert processes.services_of(home.parent) == []


PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "input()"], env={}, stdin=subprocess.PIPE)
print(child.pid, flush=True)
input()
child.communicate()
"""


def test_a_child_with_a_bare_environment_is_below_its_service(home: Path) -> None:
    with subprocess.Popen(
        [sys.executable, "-c", PARENT],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "CASEMATE_RUN": str(home)},
    ) as service:
        assert service.stdout
        child = int(service.stdout.readline())
        assert not processes.is_service_of(child, home)
        assert processes.is_below_service_of(child, home)
        assert not processes.is_below_service_of(child, home.parent)
        service.communicate("\n")


def test_a_person_who_set_the_home_is_no_service(home: Path) -> None:
    with start(SLEEPER, CASEMATE_HOME=str(home)) as child:
        assert processes.services_of(home) == []
        child.kill()


def test_a_process_is_told_from_a_later_one_of_its_number(service: subprocess.Popen[str]) -> None:
    found = processes.read(service.pid)
    assert found
    assert processes.is_alive(found)
    other = processes.Process(pid=found.pid, parent=found.parent, started=found.started + 1)
    assert not processes.is_alive(other)


def test_a_zombie_counts_as_gone() -> None:
    with start("print('up')") as child:
        os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOWAIT)
        assert processes.read(child.pid) is None


def test_descendants_are_found_at_every_depth(service: subprocess.Popen[str]) -> None:
    found = [each.pid for each in processes.descendants(os.getpid())]
    assert found[0] == os.getpid()
    assert service.pid in found


def test_who_does_not_end_is_killed() -> None:
    with start(DEAF) as deaf, start(SLEEPER) as polite:
        found = [processes.read(each.pid) for each in (deaf, polite)]
        assert processes.stop([each for each in found if each], 0.3) == 2
        assert (deaf.wait(), polite.wait()) == (-signal.SIGKILL, -signal.SIGTERM)


def test_nothing_to_stop_takes_no_time() -> None:
    assert processes.stop([], 1000) == 0


def test_what_this_process_descends_from_is_never_ended() -> None:
    assert {os.getpid(), os.getppid(), 1} <= processes.own_line()
    own = processes.read(os.getpid())
    assert own
    assert processes.stop([own], 0.1) == 0


def test_the_listener_of_a_port_is_found() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        assert os.getpid() in processes.listeners(server.getsockname()[1])
    assert processes.listeners(1) == []


def test_a_boot_has_one_name() -> None:
    assert processes.boot_id() == processes.boot_id()
