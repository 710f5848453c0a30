"""State that outlives the process, sealed on disk: the last good feed and key set."""

import asyncio
import threading
from pathlib import Path

import structlog

from gateway.errors import StateError
from gateway.issuer.identity import Identity
from gateway.issuer.private_files import write_private

log = structlog.get_logger()


class SnapshotStore:
    """Named blobs in one folder, each replaced whole."""

    def __init__(self, folder: Path, identity: Identity) -> None:
        self._folder = folder
        self._identity = identity
        # One whose waiter was cancelled goes on in its thread: the next must not meet it.
        self._writing = threading.Lock()

    def _path(self, name: str) -> Path:
        return self._folder / f"{name}.sealed"

    async def save(self, name: str, content: bytes) -> None:
        """Replaces the blob; a crash leaves the old one."""
        await asyncio.to_thread(self._write, name, content)

    def _write(self, name: str, content: bytes) -> None:
        with self._writing:
            write_private(self._path(name), self._identity.seal_state(name, content))

    def load(self, name: str) -> bytes | None:
        """The blob, or None when there is none that opens; meant for the start."""
        try:
            return self._identity.open_state(name, self._path(name).read_bytes())
        except FileNotFoundError:
            return None
        except StateError as error:
            # Changed, or left by a gateway with other keys: as good as none, the instance has it.
            log.warning("stored_state_ignored", name=name, reason=str(error))
            return None
