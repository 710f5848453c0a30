"""A private machine for the tests: namespaces of its own, a real Docker engine, no way out."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tests.system.containers.prepared import NoEngineError, Prepared

FIRST_PROCESS = Path(__file__).parent / "first_process.py"
CGROUPS = Path("/sys/fs/cgroup")
ENGINE_WITHIN_S = 60
COMMAND_WITHIN_S = 900

GET = "import sys, urllib.request as r; print(r.urlopen(sys.argv[1], timeout=5).read().decode())"

Done = subprocess.CompletedProcess[str]


def grandchild_of(pid: int) -> int:
    """The one process that `pid` forked; its number as this namespace counts."""
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                rest = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(rest[1]) == pid:
                return int(entry.name)
    message = f"{pid} has no child"
    raise NoEngineError(message)


@dataclass(slots=True, kw_only=True)
class Machine:
    """Network, mounts and processes of its own; all of it ends with `switch_off`, or with us."""

    folder: Path
    prepared: Prepared
    options: Sequence[str] = ()
    base_image: str = "casemate-tests/base:1"
    pid: int = 0
    _process: subprocess.Popen[str] | None = None
    _helpers: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def socket(self) -> Path:
        """Reachable from everywhere on this machine; the path must stay under 108 bytes."""
        return self.folder / "docker.sock"

    @property
    def log(self) -> Path:
        return self.folder / "dockerd.log"

    @property
    def cgroup(self) -> str:
        return f"casemate-tests-{os.getpid()}-{self.folder.name}"

    @property
    def environment(self) -> dict[str, str]:
        """A shell's on this machine: its engine and nothing of the developer's own set-up."""
        kept = {k: v for k, v in os.environ.items() if k in {"PATH", "HOME", "LANG", "TMPDIR"}}
        return {
            **kept,
            "DOCKER_HOST": f"unix://{self.socket}",
            "DOCKER_CONFIG": str(self.prepared.client_folder),
            # The builder that every engine has; the other is a plugin.
            "DOCKER_BUILDKIT": "0",
        }

    def switch_on(self) -> None:
        """Makes the namespaces; no engine runs in them yet."""
        self.folder.mkdir(parents=True, exist_ok=True)
        # Our own scripts only, started as a user of the command line would start them.
        namespaces = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
        command = ["unshare", *namespaces, sys.executable, str(FIRST_PROCESS), str(self.log)]
        self._process = subprocess.Popen(
            [*command, *self._dockerd()],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        if self._read() != "ready":
            self.switch_off()
            message = "no private namespaces on this machine"
            raise NoEngineError(message)
        self.pid = grandchild_of(self._process.pid)

    def _dockerd(self) -> list[str]:
        config = self.folder / "daemon.json"
        config.write_text("{}")
        return [
            *("dockerd", "--config-file", str(config), "--host", f"unix://{self.socket}"),
            # What it notes of running processes ends with them: to another machine on the same
            # data, their numbers would be those of others.
            *("--pidfile", "/run/docker.pid", "--exec-root", "/run/docker"),
            *("--data-root", str(self.folder / "data"), "--log-level", "warn"),
            *("--storage-driver", "overlay2", "--exec-opt", "native.cgroupdriver=cgroupfs"),
            # Both keep to what a machine within a machine may do.
            *("--cgroup-parent", f"/{self.cgroup}", "--oom-score-adjust", "0"),
            *self.options,
        ]

    def start(self) -> None:
        """Starts the engine and waits until it answers.

        Raises:
            NoEngineError: it ended or did not answer; carries the end of its log.
        """
        self.tell("start")
        deadline = time.monotonic() + ENGINE_WITHIN_S
        while self.docker("info", check=False).returncode != 0:
            if not self.tell("alive") or time.monotonic() > deadline:
                said = self.log.read_text(errors="replace")[-3000:]
                message = f"the Docker engine did not start:\n{said}"
                raise NoEngineError(message)
            time.sleep(0.1)

    def take_base_image(self) -> None:
        """Debian and its Python, as the images' base."""
        self.docker("import", str(self.prepared.base_image), self.base_image)

    def tell(self, word: str) -> Any:
        """`start`, `stop`, `kill` the engine alone, `cut` everything at once; `alive` asks."""
        assert self._process is not None
        assert self._process.stdin is not None
        self._process.stdin.write(word + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> Any:
        assert self._process is not None
        stdout: IO[str] | None = self._process.stdout
        assert stdout is not None
        line = stdout.readline()
        return json.loads(line) if line else None

    def docker(self, *arguments: str, check: bool = True, text: str | None = None) -> Done:
        """The docker client; `text` is its stdin."""
        return self.run("docker", *arguments, check=check, text=text)

    def run(
        self,
        *command: str,
        check: bool = True,
        text: str | None = None,
        extra: dict[str, str] | None = None,
        cwd: Path | None = None,
    ) -> Done:
        """A command beside this machine, speaking to its engine."""
        return finished(
            command,
            {**self.environment, **(extra or {})},
            check=check,
            text=text,
            cwd=cwd,
        )

    def inside(self, *command: str, check: bool = True, text: str | None = None) -> Done:
        """A command on this machine: its network, its processes."""
        return self.run(*self.door, *command, check=check, text=text)

    @property
    def door(self) -> tuple[str, ...]:
        """What put before a command runs it on this machine."""
        return ("nsenter", "--target", str(self.pid), "--net", "--mount", "--pid", "--")

    def stays(self, *command: str) -> subprocess.Popen[str]:
        """A program on this machine that says one line when it is ready, and ends with it."""
        started = subprocess.Popen(
            [*self.door, *command],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        self._helpers.append(started)
        assert started.stdout is not None
        assert started.stdout.readline(), f"{command} did not start"
        return started

    def get(self, url: str) -> str:
        """Asks a published port from the machine itself."""
        return self.inside(sys.executable, "-c", GET, url).stdout

    def switch_off(self) -> None:
        """Ends every process of it; its folder stays."""
        if self._process is not None:
            if self._process.poll() is None and self.pid:
                self.tell("stop")
            for helper in self._helpers:
                _end(helper)
            _end(self._process)
            self._process, self.pid = None, 0
            self._helpers.clear()
        for folder in self._cgroup_folders():
            folder.rmdir()

    def throw_away(self) -> None:
        """Switches it off and removes what its engine kept: gigabytes, where logs stay."""
        self.switch_off()
        shutil.rmtree(self.folder / "data", ignore_errors=True)

    def _cgroup_folders(self) -> Iterator[Path]:
        """The empty groups that containers leave, the deepest first."""
        for hierarchy in (CGROUPS, *CGROUPS.glob("*")):
            top = hierarchy / self.cgroup
            if hierarchy.is_symlink() or not top.is_dir():
                continue
            below = [Path(at) for at, _, _ in os.walk(top)]
            yield from sorted(below, key=lambda path: len(path.parts), reverse=True)


def _end(process: subprocess.Popen[str]) -> None:
    """Closes its stdin, which each of ours takes as its end."""
    try:
        process.communicate(timeout=30)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()


def finished(
    command: Sequence[str],
    environment: dict[str, str],
    *,
    check: bool,
    text: str | None,
    cwd: Path | None,
) -> Done:
    """Runs a command to its end; an assertion carries all it said when it had to succeed."""
    done = subprocess.run(
        command,
        env=environment,
        input=text,
        stdin=subprocess.DEVNULL if text is None else None,
        capture_output=True,
        text=True,
        timeout=COMMAND_WITHIN_S,
        check=False,
        cwd=cwd,
    )
    assert not check or done.returncode == 0, f"{' '.join(command)}\n{done.stdout}{done.stderr}"
    return done
