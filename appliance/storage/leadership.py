"""One process at a time leads: the others wait until it is gone, however it went."""

import fcntl
import os
from typing import Protocol

from sqlalchemy import Connection, text
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool

from appliance.storage.engine import plain_engine

# Any number, as long as nothing else in this database locks the same one.
LEADER_LOCK = 0x0CA5E0D1


class Leadership(Protocol):
    """A lock that goes with the process that holds it; every call may block for a moment."""

    def hold(self) -> bool:
        """Takes the lock, or makes sure that it is still held; False when it is somebody else's."""

    def release(self) -> None:
        """Gives it up; nothing happens if it is not held."""


def leadership(url: URL) -> Leadership:
    """The lock of all processes that share this database."""
    if url.get_backend_name() == "sqlite":
        return _FileLeadership(f"{url.database}.leader")
    return _ConnectionLeadership(url)


class _FileLeadership:
    """A lock on a file beside the database; the kernel drops it with the process."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._descriptor: int | None = None

    def hold(self) -> bool:
        if self._descriptor is not None:
            return True
        # Not inherited: a program that we start must not lead on after our end.
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return False
        self._descriptor = descriptor
        return True

    def release(self) -> None:
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


class _ConnectionLeadership:
    """An advisory lock of a connection that is kept open; the server drops it with that."""

    def __init__(self, url: URL) -> None:
        self._engine = plain_engine(url, poolclass=NullPool, isolation_level="AUTOCOMMIT")
        self._connection: Connection | None = None

    def hold(self) -> bool:
        try:
            if self._connection is not None:
                # A lost connection has lost the lock as well.
                self._connection.execute(text("SELECT 1"))
                return True
            self._connection = self._engine.connect()
            lock = text("SELECT pg_try_advisory_lock(:lock)")
            is_ours = self._connection.execute(lock, {"lock": LEADER_LOCK}).scalar_one()
        except DBAPIError:
            is_ours = False
        if not is_ours:
            self.release()
        return bool(is_ours)

    def release(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None
