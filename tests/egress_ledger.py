"""A run of the tests is watched for ways out: any that no test announced fails the run.

Every Python process is watched: this one, those of pytest-xdist, and those that tests start, which
find the hook by PYTHONPATH. Services that `up` starts do not take that over; they keep ledgers of
their own, which are read from the homes of the tests. pip, which fetches what the product is made
from, is counted and not watched. A test announces what it plants with `planted_egress(*hosts)`.
"""

import json
import os
import shutil
import struct
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import pytest_socket

from tests.egress_hook import sitecustomize
from tests.egress_hook.sitecustomize import ATTEMPTS, FOLDER, NETWORK_OF_RUN

ANNOUNCED = "announced.jsonl"
# Of the networks for documentation: planted in each run, and missed where the ledger is deaf.
PLANTED = "192.0.2.254"
SHOWN = 30


@dataclass
class Verdict:
    """What the ledger of a run held."""

    processes: int
    connects: int
    pips: int
    entries: list[dict[str, Any]] = field(default_factory=list)
    planted: int = 0
    is_deaf: bool = True

    @property
    def is_clean(self) -> bool:
        return not self.entries and not self.is_deaf and self.processes > 0

    def lines(self) -> Iterator[str]:
        """For the end of the run."""
        yield (
            f"egress ledger: {len(self.entries)} entries, {self.connects} connects audited in "
            f"{self.processes} processes ({self.planted} attempts planted by tests, "
            f"{self.pips} processes of pip not audited)"
        )
        if self.is_deaf:
            yield "egress ledger: it did not hear what the run itself planted, so it proves nothing"
        yield from (json.dumps(entry) for entry in self.entries[:SHOWN])


_VERDICT = pytest.StashKey[Verdict]()


def read(folder: Path) -> Verdict:
    """Reads the ledger of a run."""
    counts = [path.read_bytes() for path in folder.glob("*.count")]
    found = Verdict(
        processes=len(counts),
        connects=sum(struct.unpack("q", count)[0] for count in counts if len(count) == 8),
        pips=len(list(folder.glob("*.pip"))),
    )
    announced = {(each["test"], each["host"]) for each in _lines(folder / ANNOUNCED)}
    hosts = {host for _, host in announced}
    for entry in _lines(folder / ATTEMPTS):
        if entry["host"] == PLANTED:
            found.is_deaf = False
        elif (entry["test"], entry["host"]) in announced:
            found.planted += 1
        elif not entry["test"] and entry["host"] in hosts:
            # A process that was not told which test it is of.
            found.planted += 1
        else:
            found.entries.append(entry)
    return found


def _lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def _is_worker(config: pytest.Config) -> bool:
    return hasattr(config, "workerinput")


def pytest_configure(config: pytest.Config) -> None:
    """Begins to watch, this process and those that it will start."""
    config.addinivalue_line("markers", "planted_egress(*hosts): what the test tries to reach")
    if not _is_worker(config):
        folder = Path(tempfile.mkdtemp(prefix="egress-ledger-"))
        # Tests start processes of other users as well.
        folder.chmod(0o777)
        os.environ[FOLDER] = str(folder)
        os.environ[NETWORK_OF_RUN] = sitecustomize.network()
        kept = os.environ.get("PYTHONPATH", "")
        own = str(Path(sitecustomize.__file__).parent)
        os.environ["PYTHONPATH"] = f"{own}{os.pathsep}{kept}" if kept else own
        (folder / ATTEMPTS).touch()
        (folder / ATTEMPTS).chmod(0o666)
    hook = sitecustomize.watch(Path(os.environ[FOLDER]))
    if not _is_worker(config):
        sys.audit("socket.connect", None, (PLANTED, 9))
    _hear_what_is_blocked(hook)


def _hear_what_is_blocked(hook: sitecustomize.Hook) -> None:
    # pytest-socket refuses before Python's own module connects, so no hook hears of it.
    class BlockedError(pytest_socket.SocketConnectBlockedError):
        def __init__(self, allowed: list[str], host: str) -> None:
            super().__init__(allowed, host)
            if not sitecustomize.stays(host):
                hook.write("connect", host, None)

    vars(pytest_socket)["SocketConnectBlockedError"] = BlockedError


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Notes what a test announces."""
    for marker in item.iter_markers("planted_egress"):
        with (Path(os.environ[FOLDER]) / ANNOUNCED).open("a") as announced:
            for host in marker.args:
                announced.write(json.dumps({"test": item.nodeid, "host": host}) + "\n")


@pytest.fixture(scope="session", autouse=True)
def ledgers_of_homes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What services refused that were started in a home of these tests is of the run as well."""
    yield
    written = Path(os.environ[FOLDER]) / ATTEMPTS
    for depth in ("*", "*/*", "*/*/*"):
        for path in tmp_path_factory.getbasetemp().glob(f"{depth}/egress/*.jsonl*"):
            # pytest names the latest folder of each test a second time, by a link.
            if not path.is_file() or path.resolve() != path:
                continue
            with written.open("a") as ledger:
                for line in path.read_text().splitlines():
                    _take_over(line, ledger.write)


def _take_over(line: str, write: Any) -> None:
    try:
        told = json.loads(line)
        entry = {"test": "", "program": [told["service"]], "what": told["what"]}
        entry |= {"host": told["host"], "port": told["port"], "by": told["by"]}
    except (ValueError, KeyError, TypeError):
        return
    write(json.dumps(entry) + "\n")


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Reads the ledger once all processes of tests are through."""
    if _is_worker(session.config):
        return
    folder = Path(os.environ[FOLDER])
    verdict = session.config.stash[_VERDICT] = read(folder)
    if not verdict.is_clean and session.exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    shutil.rmtree(folder, ignore_errors=True)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Says what was found."""
    verdict = config.stash.get(_VERDICT, None)
    for line in verdict.lines() if verdict else ():
        terminalreporter.write_line(line, red=not verdict.is_clean if verdict else False)
