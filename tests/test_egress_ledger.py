import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.egress_hook.sitecustomize import FOLDER, NETWORK_OF_RUN, is_of_set_up

CLONE = Path(__file__).parent.parent
OF_THE_OUTER_RUN = (FOLDER, NETWORK_OF_RUN, "PYTHONPATH")
STARTS = """
import subprocess, sys, socket, pytest

def start(program):
    subprocess.run([sys.executable, "-P", "-c", "import socket; " + program], check=False)
"""
STAYS = (
    STARTS
    + """
def test_it():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        start(f"socket.create_connection(('127.0.0.1', {port}))")
        socket.create_connection(("localhost", port)).close()
    start("socket.getaddrinfo('localhost', 80); socket.getaddrinfo('198.51.100.9', 80)")
    start("socket.getaddrinfo('0xc6336409', 80)")
"""
)
# A broadcast address, which the kernel itself refuses: nothing leaves, wherever this runs.
LEAVES = (
    STARTS
    + """
def test_it():
    start("socket.socket().connect(('255.255.255.255', 9))")
"""
)
ANNOUNCED = LEAVES.replace(
    "\ndef test_it", "\n@pytest.mark.planted_egress('255.255.255.255')\ndef test_it"
)
FORGED = (
    STARTS
    + """
def test_it(tmp_path):
    (tmp_path / "egress").mkdir()
    line = '{"service": "vllm", "what": "look-up", "host": "stats.example", "port": null, "by": []}'
    (tmp_path / "egress" / "vllm.jsonl").write_text(line)
"""
)
DEAF = (
    STARTS
    + """
def test_it():
    import os, pathlib
    pathlib.Path(os.environ["EGRESS_LEDGER_OF_TESTS"], "attempts.jsonl").write_text("")
"""
)


def run(folder: Path, test: str, *options: str) -> tuple[int, str]:
    """The exit code of a run with the ledger, and what it said of it."""
    (folder / "test_some.py").write_text(test)
    kept = {k: v for k, v in os.environ.items() if k not in OF_THE_OUTER_RUN}
    kept = {k: v for k, v in kept.items() if not k.startswith(("PYTEST", "COV"))}
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.egress_ledger", *options]
    done = subprocess.run(
        [*command, "-c", os.devnull, "--rootdir", folder, f"--basetemp={folder}/temp", folder],
        cwd=CLONE,
        env=kept,
        capture_output=True,
        text=True,
        check=False,
    )
    said = [line for line in done.stdout.splitlines() if line.startswith(("egress", "{"))]
    return done.returncode, "\n".join(said)


def test_what_stays_here_is_counted_and_nothing_more(tmp_path: Path) -> None:
    code, said = run(tmp_path, STAYS)
    assert code == 0, said
    counts = re.match(r"egress ledger: 0 entries, (\d+) connects audited in (\d+) processes", said)
    assert counts is not None
    assert int(counts[1]) >= 3
    assert int(counts[2]) == 4


def test_one_way_out_of_a_process_that_a_test_starts_fails_the_run(tmp_path: Path) -> None:
    code, said = run(tmp_path, LEAVES)
    assert code == 1
    assert "egress ledger: 1 entries" in said
    assert '"host": "255.255.255.255", "port": 9' in said
    assert "test_some.py::test_it" in said


def test_workers_are_watched_as_well(tmp_path: Path) -> None:
    code, said = run(tmp_path, LEAVES, "-n", "1")
    assert code == 1
    assert "egress ledger: 1 entries" in said


def test_what_a_test_announces_is_no_entry(tmp_path: Path) -> None:
    code, said = run(tmp_path, ANNOUNCED)
    assert code == 0, said
    assert "(1 attempts planted by tests" in said


# The outer run reads the same file.
@pytest.mark.planted_egress("stats.example")
def test_what_a_service_kept_in_its_home_is_an_entry(tmp_path: Path) -> None:
    code, said = run(tmp_path, FORGED)
    assert code == 1
    assert "stats.example" in said


def test_a_ledger_that_hears_nothing_proves_nothing(tmp_path: Path) -> None:
    code, said = run(tmp_path, DEAF)
    assert code == 1
    assert "it did not hear what the run itself planted" in said


@pytest.mark.parametrize(
    ("words", "is_pip"),
    [
        (["python", "-m", "pip", "download"], True),
        (["/env/bin/pip3", "install"], True),
        (["python", "/env/site-packages/pip/__pip-runner__.py", "install"], True),
        (["python", "-m", "install", "up"], False),
        (["python", "-m", "pytest"], False),
    ],
)
def test_pip_alone_is_not_watched(words: list[str], *, is_pip: bool) -> None:
    assert is_of_set_up(words) == is_pip
