"""A small Debian that systemd boots, without a network, in a tree of files; it writes findings."""

import contextlib
import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PROGRAMS = ("systemd-nspawn", "mmdebstrap")
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "python3", "python3-venv", "openssl"),
    *("iproute2", "procps", "ca-certificates"),
)
LEFT_OUT = ("doc", "locale", "man")
# On a busy machine it takes minutes to unpack the packages.
MAKE_TIMEOUT_S = 900
POLL_S = 0.05
CGROUPS = Path("/sys/fs/cgroup")

UNIT = """[Unit]
After=multi-user.target
[Service]
Type=oneshot
Environment=PATH=/usr/sbin:/usr/bin:/sbin:/bin LANG=C.UTF-8
WorkingDirectory=/srv
ExecStart=/bin/sh /srv/test.sh
ExecStopPost=/bin/systemctl exit 0
TimeoutStartSec={timeout_s}
[Install]
WantedBy=default.target
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Guest:
    """One machine; what its script writes into /srv/findings is read when it is off again."""

    root: Path

    def boot(self, script: str, *, timeout_s: int) -> dict[str, str]:
        """Boots, runs the script when all is up, powers off; its findings by file name."""
        findings = self._prepare(script, timeout_s)
        code = self._run(timeout_s + 60, until=lambda: False)
        assert code == 0, self.console()
        return {path.name: path.read_text(errors="replace") for path in findings.iterdir()}

    def lose_power(self, script: str, *, until: Callable[[], bool], timeout_s: int) -> None:
        """Boots and runs the script, and ends all at once as soon as `until` says so."""
        self._prepare(script, timeout_s)
        self._run(timeout_s + 60, until=until)

    def _prepare(self, script: str, timeout_s: int) -> Path:
        findings = self.root / "srv" / "findings"
        shutil.rmtree(findings, ignore_errors=True)
        findings.mkdir()
        (self.root / "srv" / "test.sh").write_text(f"cd /srv/findings\n{script}")
        (self.root / "etc/systemd/system/test.service").write_text(UNIT.format(timeout_s=timeout_s))
        wanted = self.root / "etc/systemd/system/default.target.wants"
        wanted.mkdir(exist_ok=True)
        with contextlib.suppress(FileExistsError):
            (wanted / "test.service").symlink_to("/etc/systemd/system/test.service")
        return findings

    def _run(self, timeout_s: int, *, until: Callable[[], bool]) -> int:
        before = set(_groups())
        command = [
            *("systemd-nspawn", "-q", "--register=no", "--keep-unit", "--private-network"),
            *("--capability=all", "--drop-capability=CAP_SYS_RESOURCE"),
            *("--system-call-filter=add_key keyctl bpf", "--boot", "-D", str(self.root)),
        ]
        with (
            (self.root / "srv" / "console.log").open("ab") as console,
            subprocess.Popen(
                command,
                # Only there the kernel filters a unit's addresses.
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
            ) as process,
        ):
            code = _ended(process, timeout_s, until=until)
        for group in sorted(set(_groups()) - before, key=lambda path: -len(path.parts)):
            with contextlib.suppress(OSError):
                group.rmdir()
        return code

    def console(self) -> str:
        """The end of what the guest said while it ran."""
        return (self.root / "srv" / "console.log").read_text(errors="replace")[-3000:]


def _ended(process: subprocess.Popen[bytes], timeout_s: int, *, until: Callable[[], bool]) -> int:
    """Waits for the machine's end, and cuts its power once `until` says so or it takes too long."""
    deadline = time.monotonic() + timeout_s
    try:
        while True:
            # How far the guest is stands in its files, so they are looked at again and again.
            with contextlib.suppress(subprocess.TimeoutExpired):
                return process.wait(POLL_S)
            if until() or time.monotonic() > deadline:
                _cut_power(process.pid)
    except BaseException:
        _cut_power(process.pid)
        raise


def _cut_power(pid: int) -> None:
    """Ends the guest's first process, and with it all others at once; nspawn itself then ends.

    A guest outlives an nspawn that is killed.
    """
    with contextlib.suppress(OSError):
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), signal.SIGKILL)


def missing_programs() -> list[str]:
    """What is not on this machine of what a guest takes."""
    return [name for name in PROGRAMS if shutil.which(name) is None]


def make_tree(folder: Path) -> Path:
    """The files of a fresh guest, packed; made once in the folder."""
    packed = folder / "guest.tar"
    if packed.exists():
        return packed
    draft = folder / "draft.tar"
    options = [f"--dpkgopt=path-exclude=/usr/share/{each}/*" for each in LEFT_OUT]
    subprocess.run(
        [
            *("mmdebstrap", "--quiet", "--variant=minbase", f"--include={','.join(PACKAGES)}"),
            *(*options, "bookworm", str(draft)),
        ],
        stdin=subprocess.DEVNULL,
        check=True,
        timeout=MAKE_TIMEOUT_S,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    draft.replace(packed)
    return packed


def a_guest(folder: Path, packed: Path, *, carried: Sequence[Path] = ()) -> Guest:
    """A guest of its own in the folder, with files carried into its /srv."""
    root = folder / "guest"
    root.mkdir()
    subprocess.run(["tar", "-C", str(root), "-xf", str(packed)], check=True)
    for path in carried:
        shutil.copy(path, root / "srv" / path.name)
    (root / "etc" / "hostname").write_text("box\n")
    return Guest(root=root)


def _groups() -> list[Path]:
    """The control groups that guests are put into."""
    tops = (top for name in ("payload", "supervisor") for top in CGROUPS.glob(f"*/{name}"))
    return [path for top in tops for path in (top, *top.rglob("*")) if path.is_dir()]


def told(findings: dict[str, str], name: str) -> dict[str, Any]:
    """The JSON of a finding's last line."""
    found: dict[str, Any] = json.loads(findings[name].strip().splitlines()[-1])
    return found
