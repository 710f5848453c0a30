"""`python -m install.leash [--parent FILE] [--environment FILE] -- CMD…` ends with its parent.

The supervisor starts each service through it. Standard library only, and few modules: it stands in
front of every start.
"""

import ctypes
import json
import os
import signal
import sys
from pathlib import Path

PR_SET_PDEATHSIG = 1


def die_with_parent(number: int = signal.SIGTERM) -> None:
    """Has the kernel send `number` to this process when the thread that forked it ends.

    Raises:
        OSError: the kernel refused.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, int(number), 0, 0, 0) != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error))


def parent_is_gone(before: int, pid_file: Path | None) -> bool:
    """Whether the parent died before the leash was on; `before` was the parent at the start.

    The file, which the supervisor writes before it starts anything, tells the supervisor from
    whoever takes in orphans.
    """
    if os.getppid() != before:
        return True
    if pid_file is None:
        return False
    try:
        return pid_file.read_text("ascii").strip() != str(before)
    except OSError:
        return True


def main(arguments: list[str]) -> int:  # noqa: RET503  # execve does not come back
    """Never returns when all is well: the command takes this process's place."""
    parent = os.getppid()
    options: dict[str, Path] = {}
    while arguments and arguments[0] in {"--parent", "--environment"}:
        options[arguments[0]] = Path(arguments[1])
        arguments = arguments[2:]
    if arguments and arguments[0] == "--":
        arguments = arguments[1:]
    if not arguments:
        print("usage: leash [--parent FILE] [--environment FILE] -- COMMAND…", file=sys.stderr)
        return 2
    die_with_parent()
    if parent_is_gone(parent, options.get("--parent")):
        return 1
    environment = dict(os.environ)
    if "--environment" in options:
        environment |= json.loads(options["--environment"].read_text("utf-8"))
    os.execve(arguments[0], arguments, environment)  # noqa: S606  # no shell is wanted


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
