"""Counts the connects of a process, and writes down those that leave the machine.

Python imports a module of this name when it starts, also the older ones that tests start. It does
not refuse: what leaves fails the whole run at its end (tests/egress_ledger.py).
"""

from __future__ import annotations

import json
import mmap
import os
import socket
import struct
import sys
import time
from contextlib import suppress
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

FOLDER = "EGRESS_LEDGER_OF_TESTS"
NETWORK_OF_RUN = "EGRESS_NETWORK_OF_TESTS"
ATTEMPTS = "attempts.jsonl"
MOST_CALLERS = 8

_ADDRESSES = {"socket.connect": "connect", "socket.sendto": "send", "socket.sendmsg": "send"}
_LOOK_UPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
_MARK = "_casemate_tests_egress"


def network() -> str:
    """Which network namespace this process is in."""
    return str(Path("/proc/self/ns/net").readlink()) if hasattr(Path, "readlink") else ""


class Hook:
    """For `sys.addaudithook`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._names = {"localhost", os.uname().nodename.lower()}
        self._begin()
        os.register_at_fork(after_in_child=self._begin)

    def _begin(self) -> None:
        # What is mapped is in the file, however the process ends.
        self._count = 0
        self._counted: mmap.mmap | None = None
        with suppress(OSError):
            path = self.folder / f"{os.getpid()}-{time.monotonic_ns()}.count"
            path.write_bytes(bytes(8))
            with path.open("r+b") as file:
                self._counted = mmap.mmap(file.fileno(), 8)

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        if event in _ADDRESSES:
            if event == "socket.connect" and self._counted is not None:
                self._count += 1
                struct.pack_into("q", self._counted, 0, self._count)
            address = args[1]
            if isinstance(address, tuple) and address and isinstance(address[0], str):
                self._judge(_ADDRESSES[event], *address[:2])
        elif event in _LOOK_UPS:
            host = args[0].decode("utf-8", "replace") if isinstance(args[0], bytes) else args[0]
            if isinstance(host, str) and (event == "socket.gethostbyaddr" or _is_name(host)):
                self._judge("look-up", host)

    def _judge(self, what: str, host: str, port: Any = None) -> None:
        if host and host.lower() not in self._names and not stays(host):
            self.write(what, host, port if isinstance(port, int) else None)

    def write(self, what: str, host: str, port: int | None, *, by: str = "") -> None:
        """Adds one attempt to the ledger of the run."""
        line = {
            "test": os.environ.get("PYTEST_CURRENT_TEST", "").rpartition(" (")[0],
            "program": [Path(each).name[:60] for each in getattr(sys, "orig_argv", sys.argv)[:4]],
            "what": what,
            "host": host,
            "port": port,
            "by": [by] if by else _callers(),
        }
        handle = os.open(self.folder / ATTEMPTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        with os.fdopen(handle, "ab") as ledger:
            ledger.write(json.dumps(line).encode() + b"\n")


def _is_address(host: str) -> bool:
    try:
        ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return False
    return True


def _is_name(host: str) -> bool:
    """Whether somebody is asked for it; nobody is for a number of old form, such as 0x7f000001."""
    if _is_address(host):
        return False
    try:
        socket.inet_aton(host)
    except OSError:
        return True
    return False


def stays(host: str) -> bool:
    """Whether that is this machine, or what is linked to a network namespace of the tests' own."""
    if not _is_address(host):
        return False
    found = ip_address(host.strip("[]").partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or found
    if found.is_loopback or found.is_unspecified:
        return True
    if os.environ.get(NETWORK_OF_RUN, "") == network() or found.version != 4:
        return False
    return any(found in each for each in _linked())


def _linked() -> list[Any]:
    """The networks that are reached without a router."""
    found = []
    for line in Path("/proc/self/net/route").read_text().splitlines()[1:]:
        _, target, gateway, _, _, _, _, mask = line.split()[:8]
        if int(gateway, 16) == 0 and int(mask, 16) != 0:
            parts = [socket.inet_ntoa(struct.pack("<L", int(each, 16))) for each in (target, mask)]
            found.append(ip_network("/".join(parts)))
    return found


def _callers() -> list[str]:
    found: list[str] = []
    library: frozenset[str] = getattr(sys, "stdlib_module_names", frozenset())
    frame = sys._getframe()
    while frame.f_back is not None and len(found) < MOST_CALLERS:
        frame = frame.f_back
        module = str(frame.f_globals.get("__name__", "?"))
        if module != __name__ and module.partition(".")[0] not in library:
            found.append(f"{module}:{frame.f_code.co_name}")
    return found


def is_of_set_up(words: list[str]) -> bool:
    """Whether pip runs, which fetches what the product is made from, and is none of it."""
    return any(Path(each).name.lstrip("_").startswith("pip") for each in words[:6])


def watch(folder: Path) -> Hook:
    """Watches this process from now on; once for each process."""
    hook: Hook | None = getattr(sys, _MARK, None)
    if hook is None:
        hook = Hook(folder)
        setattr(sys, _MARK, hook)
        sys.addaudithook(hook)
    return hook


if FOLDER in os.environ:
    with suppress(OSError):
        if is_of_set_up(getattr(sys, "orig_argv", sys.argv)):
            (Path(os.environ[FOLDER]) / f"{os.getpid()}-{time.monotonic_ns()}.pip").touch()
        else:
            watch(Path(os.environ[FOLDER]))
