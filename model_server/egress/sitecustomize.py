"""Refuses, and keeps in a ledger, what leaves the machine from vLLM's processes and from our own.

Python imports a module of this name when it starts. The model server puts this folder on the
PYTHONPATH of the vLLM that it starts, and of nothing else: so each process of it has the hook from
its first line on, whether it was forked, spawned or begun by a library. It stands alone, with the
standard library, because a patched vLLM may live where nothing else of ours is installed.

Python asks its hooks before its own socket module connects, sends or resolves. uvloop's own
connections and those of libraries in C go unseen; the lock is the kernel's.
"""

import errno
import fcntl
import json
import os
import sys
import time
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

LEDGER = "CASEMATE_EGRESS_LEDGER"
HOST = "CASEMATE_EGRESS_HOST"
# Of one file; one older file of the same size is kept beside it. As the other services have it.
MOST_BYTES = 1024 * 1024
MOST_CALLERS = 6
MOST_HOST = 253

_LOOK_UPS = frozenset({"socket.getaddrinfo", "socket.gethostbyname", "socket.gethostbyaddr"})
_ADDRESSES = {"socket.connect": "connect", "socket.sendto": "send", "socket.sendmsg": "send"}
_MARK = "_casemate_egress"


class LeavingRefusedError(PermissionError):
    """Something would have left the machine."""

    def __init__(self, what: str, host: str) -> None:
        super().__init__(errno.EACCES, f"A {what} to {host} was refused: nothing leaves here")


class Hook:
    """For `sys.addaudithook`: what is not loopback, nor the `host` that is served at, is refused.

    Each refusal is a line of the `ledger`.
    """

    def __init__(self, ledger: Path, *, service: str, host: str) -> None:
        self._ledger = ledger
        self._service = service
        self._known = frozenset({"localhost", os.uname().nodename.lower(), host.lower()})

    def __call__(self, event: str, args: tuple[object, ...]) -> None:
        """Passes for everything but a way out.

        Raises:
            LeavingRefusedError: it is one.
        """
        if event in _ADDRESSES:
            address = args[1]
            # Of the families only the two of the internet have a host's text at the front.
            if isinstance(address, tuple) and address and isinstance(address[0], str):
                self._judge(_ADDRESSES[event], *address[:2])
        elif event in _LOOK_UPS:
            host = args[0].decode("utf-8", "replace") if isinstance(args[0], bytes) else args[0]
            # An address that is written out causes no question to anybody.
            if isinstance(host, str) and (event == "socket.gethostbyaddr" or not _address(host)):
                self._judge("look-up", host)
        elif event == "socket.getnameinfo" and isinstance(args[0], tuple):
            self._judge("look-up", str(args[0][0]))

    def _judge(self, what: str, host: str, port: object = None) -> None:
        if not host or host.lower() in self._known or _is_own(host):
            return
        # The refusal stands, whether or not it can be written down.
        with suppress(OSError):
            _append(self._ledger, self._line(what, host, port))
        raise LeavingRefusedError(what, host)

    def _line(self, what: str, host: str, port: object) -> bytes:
        now = time.time()
        second = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(now))
        line = {
            "time": f"{second}.{int(now % 1 * 1000):03}+00:00",
            "service": self._service,
            "pid": os.getpid(),
            "what": what,
            "host": host[:MOST_HOST],
            "port": port if isinstance(port, int) else None,
            "outcome": "refused",
            "by": _callers(),
        }
        return json.dumps(line).encode() + b"\n"


def _address(host: str) -> str | None:
    """The same when it is an address that is written out."""
    try:
        return str(ip_address(host.strip("[]").partition("%")[0]))
    except ValueError:
        return None


def _is_own(host: str) -> bool:
    address = _address(host)
    if address is None:
        return False
    found = ip_address(address)
    mapped = getattr(found, "ipv4_mapped", None)
    # Connected to, the address of no host is loopback.
    return (mapped or found).is_loopback or found.is_unspecified


def _append(path: Path, line: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        os.write(handle, line)
        # Another process may have put it aside while this one waited.
        is_full = os.fstat(handle).st_size >= MOST_BYTES
        if is_full and os.path.samestat(os.fstat(handle), path.stat()):
            path.rename(path.with_suffix(".jsonl.1"))
    finally:
        os.close(handle)


def _callers() -> list[str]:
    """Whose code it was, the innermost first, without the standard library's."""
    found: list[str] = []
    frame = sys._getframe()  # noqa: SLF001  # inspect would cost every start of a Python 20 ms
    while frame.f_back is not None and len(found) < MOST_CALLERS:
        frame = frame.f_back
        module = str(frame.f_globals.get("__name__", "?"))
        if module != __name__ and module.partition(".")[0] not in sys.stdlib_module_names:
            found.append(f"{module}:{frame.f_code.co_name}")
    return found


def watch(ledger: Path, *, service: str, host: str) -> None:
    """Watches this process and those that it forks, from now on; once for each process."""
    if not hasattr(sys, _MARK):
        setattr(sys, _MARK, True)
        sys.addaudithook(Hook(ledger, service=service, host=host))


if LEDGER in os.environ:
    watch(Path(os.environ[LEDGER]), service="vllm", host=os.environ.get(HOST, ""))
