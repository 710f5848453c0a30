"""The first process of the engine's private machine; runs dockerd there as it is told on stdin.

It is process 1 of a pid namespace, so everything in it ends when this ends: at the latest when the
tests' end of its stdin is closed, however the tests ended. Standard library only.
"""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

STOP_WITHIN_S = 20


class Dockerd:
    """One engine, started and stopped in many ways, always on the same data."""

    def __init__(self, command: list[str], log: Path) -> None:
        self.command = command
        self.log = log
        self.pid = 0
        signal.signal(signal.SIGCHLD, self._reap)

    def _reap(self, *_: object) -> None:
        """Process 1 inherits every orphan, and must collect them all."""
        while True:
            try:
                pid, _status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            if pid == self.pid:
                self.pid = 0

    def start(self) -> None:
        said = os.open(self.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        actions = [(os.POSIX_SPAWN_DUP2, said, 1), (os.POSIX_SPAWN_DUP2, said, 2)]
        self.pid = os.posix_spawnp(self.command[0], self.command, os.environ, file_actions=actions)
        os.close(said)

    def stop(self) -> None:
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """The engine alone dies; what it had started goes on."""
        self._end(signal.SIGKILL)

    def cut(self) -> None:
        """Everything dies at once, containers included: all of the namespace but this process."""
        os.kill(-1, signal.SIGKILL)
        self._wait()

    def alive(self) -> bool:
        return self.pid != 0

    def _end(self, number: signal.Signals) -> None:
        if self.pid:
            os.kill(self.pid, number)
        self._wait()

    def _wait(self) -> None:
        deadline = time.monotonic() + STOP_WITHIN_S
        while self.pid and time.monotonic() < deadline:
            time.sleep(0.02)


def set_up_machine() -> None:
    """What an engine leaves outside its own folders goes into memory that ends with the namespace.

    dockerd keeps a key under /etc/docker; containerd leaves folders under /opt and its shims'
    sockets under /run.
    """
    subprocess.run(["mount", "-t", "tmpfs", "tmpfs", "/run"], check=True)
    for folder in ("/etc", "/opt"):
        above, work = Path(f"/run/above{folder}"), Path(f"/run/work{folder}")
        above.mkdir(parents=True)
        work.mkdir(parents=True)
        layers = f"lowerdir={folder},upperdir={above},workdir={work}"
        subprocess.run(["mount", "-t", "overlay", "overlay", "-o", layers, folder], check=True)
    # Its resolver is a service of its own, as on many machines. Some engines ask such a one from
    # the host's side, so it is the one by which a container's questions get furthest.
    resolver = Path("/etc/resolv.conf")
    resolver.unlink(missing_ok=True)
    resolver.write_text("nameserver 127.0.0.1\n")
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    Path("/proc/sys/net/ipv6/conf/all/forwarding").write_text("1")


def main() -> None:
    """Sets up the machine, says so, then obeys one word a line until its stdin ends."""
    if os.getpid() != 1:
        sys.exit("this is the first process of a namespace of its own, and nothing else")
    log, command = Path(sys.argv[1]), sys.argv[2:]
    set_up_machine()
    dockerd = Dockerd(command, log)
    print(json.dumps("ready"), flush=True)
    for line in sys.stdin:
        answer = getattr(dockerd, line.strip())()
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
