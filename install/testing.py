"""`python3 -m install test`: sets up what the tests need, then runs all checks and tests."""

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from install import environments
from install.environments import LOCKS, Environment
from install.errors import PackagesError
from install.progress import Display, duration

# Debian package: how to see that what the tests use of it is there.
DEBIAN_PACKAGES: dict[str, Callable[[], bool]] = {
    "postgresql": lambda: any(Path("/usr/lib/postgresql").glob("*/bin/postgres")),
    "iproute2": lambda: shutil.which("ip") is not None,
    "util-linux": lambda: shutil.which("unshare") is not None,
    "docker.io": lambda: shutil.which("dockerd") is not None,
    "iptables": lambda: shutil.which("iptables") is not None,
    "systemd-container": lambda: shutil.which("systemd-nspawn") is not None,
    "mmdebstrap": lambda: shutil.which("mmdebstrap") is not None,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of the run; `arguments` follow the tests' Python.

    One that is `beside` runs while the next one does, and is told after it.
    """

    name: str
    arguments: tuple[str, ...]
    is_beside: bool = False


MEASURED = ("--cov", "--cov-report=")
# As many at once as there are cores; who is done early takes over what others have not begun.
SHARED = ("-n", "logical", "--dist", "worksteal")
SYSTEM = ("-m", "pytest", "-m", "system")
# What needs none of the appliance that the other system tests share. Containers come last: they
# run to the end, and what looks after their health takes its share of the processor.
APART = (
    "tests/system/test_booted.py",
    "tests/system/test_bundle_built.py",
    "tests/system/test_bundle_killed.py",
    "tests/system/containers",
)
IGNORED = tuple(f"--ignore={path}" for path in APART)
PARTS = (
    Part(name="static checks", arguments=("-m", "tests.checks")),
    Part(name="fast tests", arguments=("-m", "pytest", "-m", "not system", *SHARED, *MEASURED)),
    Part(name="coverage", arguments=("-m", "tests.coverage_floors")),
    # Two at once, since each waits a lot.
    Part(name="system tests of bundles and engines", arguments=(*SYSTEM, *APART), is_beside=True),
    Part(name="system tests", arguments=(*SYSTEM, *IGNORED)),
)


def run_tests(clone: Path, arguments: Sequence[str]) -> int:
    """Runs all parts, or pytest alone with `arguments`; returns the first failure's exit code."""
    display = Display.on(sys.stdout)
    add_debian_packages(display)
    python = make_environment(clone, display)
    parts = parts_for(arguments)
    codes = []
    with ExitStack() as stack:
        beside: list[Running] = []
        for part in parts:
            running = stack.enter_context(started(part, python, clone))
            if part.is_beside:
                beside.append(running)
                continue
            codes += [each.told() for each in (running, *beside)]
            beside.clear()
    return next((code for code in codes if code), 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """A part under way; what one says that runs beside another is kept in `said`."""

    part: Part
    process: subprocess.Popen[bytes]
    began: float
    said: IO[bytes] | None

    def told(self) -> int:
        """Waits for its end, and says how it went; its exit code."""
        code = self.process.wait()
        if self.said is not None:
            print(f"== {self.part.name}", flush=True)
            self.said.seek(0)
            shutil.copyfileobj(self.said, sys.stdout.buffer)
            sys.stdout.flush()
        outcome = "passed" if code == 0 else f"FAILED ({code})"
        print(
            f"== {self.part.name} {outcome}: {duration(time.monotonic() - self.began)}", flush=True
        )
        return code


@contextmanager
def started(part: Part, python: Path, clone: Path) -> Iterator[Running]:
    """Starts a part; one that is left early is ended."""
    with ExitStack() as stack:
        said = stack.enter_context(tempfile.TemporaryFile()) if part.is_beside else None
        if said is None:
            print(f"== {part.name}", flush=True)
        process = subprocess.Popen(
            [str(python), *part.arguments],
            cwd=clone,
            stdout=said,
            stderr=None if said is None else subprocess.STDOUT,
        )
        try:
            yield Running(part=part, process=process, began=time.monotonic(), said=said)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
                process.wait()


def parts_for(arguments: Sequence[str]) -> tuple[Part, ...]:
    """Everything, or one run of pytest with what was asked for."""
    if arguments:
        return (Part(name="tests", arguments=("-m", "pytest", *arguments)),)
    return PARTS


def missing_packages() -> list[str]:
    """The Debian packages whose programs are not here."""
    return [name for name, is_there in DEBIAN_PACKAGES.items() if not is_there()]


def add_debian_packages(display: Display) -> None:
    """Installs what is missing where that can be done, else says what to install.

    Raises:
        PackagesError: apt-get failed.
    """
    missing = missing_packages()
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        display.note(f"Not here, so some tests will be skipped: {', '.join(missing)}.")
        return
    with display.step("Debian packages") as step:
        step.detail = ", ".join(missing)
        for words in (["update"], ["install", "-y", "--no-install-recommends", *missing]):
            _apt_get(words)
        step.result = ", ".join(missing)


def _apt_get(words: list[str]) -> None:
    done = subprocess.run(
        ["apt-get", "-qq", *words],  # noqa: S607  # found in the admin's own PATH
        env={**os.environ, "DEBIAN_FRONTEND": "noninteractive"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        what = f"apt-get {words[0]}"
        raise PackagesError(what, " ".join(done.stderr.split())[-500:])


def make_environment(clone: Path, display: Display) -> Path:
    """The tests' environment in the clone, made anew when its lock changed; returns its Python."""
    scratch = Path(tempfile.mkdtemp(prefix="casemate-tests-"))
    lock = LOCKS / "tests.lock"
    environment = Environment(folder=clone / ".venv", lock=lock, scratch=scratch)
    with display.step("Test environment") as step:
        made = environments.make(environment, step)
        step.result = "new" if made else "as it was"
    shutil.rmtree(scratch)
    return environment.python
