"""A real PostgreSQL server for the tests, in a folder that goes away with it."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOM_BYTES = 1024**3


class NoPostgresError(Exception):
    """PostgreSQL is not installed on this machine."""


def _binaries() -> Path:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres"))
    on_path = shutil.which("postgres")
    if not found and on_path is None:
        message = "PostgreSQL is missing: install the Debian package 'postgresql'."
        raise NoPostgresError(message)
    return (found[-1] if found else Path(str(on_path))).parent


def _identity() -> dict[str, Any]:
    # The server refuses to run as root.
    if os.geteuid() != 0:
        return {}
    try:
        entry = pwd.getpwnam("postgres")
    except KeyError:
        message = "There is no user 'postgres' for PostgreSQL to run as."
        raise NoPostgresError(message) from None
    return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}


def _memory() -> Path | None:
    """A folder in memory with room for a server: on a disk, a new database's files take long."""
    folder = Path("/dev/shm")  # noqa: S108  # what lies there has a random name of its own
    is_roomy = folder.is_dir() and shutil.disk_usage(folder).free > ROOM_BYTES
    return folder if is_roomy and os.access(folder, os.W_OK) else None


@contextmanager
def running_server() -> Iterator[Path]:
    """Gives the folder of the server's unix socket; nothing listens on a network."""
    binaries, identity = _binaries(), _identity()
    # Not pytest's own folder: a socket's path may have 107 bytes, and others must get to it.
    folder = Path(tempfile.mkdtemp(prefix="casemate-pg-", dir=_memory()))
    data = folder / "data"
    options = (
        f"-k {folder} -c listen_addresses='' -c fsync=off -c full_page_writes=off "
        "-c synchronous_commit=off -c max_connections=100 "
        "-c wal_level=minimal -c max_wal_senders=0 -c min_wal_size=32MB -c max_wal_size=64MB"
    )

    def run(*command: str) -> None:
        # The server keeps what it inherits open, so a pipe would never end.
        subprocess.run(
            [str(binaries / command[0]), *command[1:]],
            check=True,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            **identity,
        )

    try:
        if identity:
            os.chown(folder, identity["user"], identity["group"])
        run("initdb", "-D", str(data), "-U", "postgres", "-A", "trust", "-E", "UTF8", "--no-sync")
        run("pg_ctl", "-D", str(data), "-w", "-l", str(folder / "log"), "-o", options, "start")
        try:
            yield folder
        finally:
            run("pg_ctl", "-D", str(data), "-w", "-m", "immediate", "stop")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
