"""Files that only the gateway's user may read: written so, and taken only if they are so."""

import os
import stat
from pathlib import Path


class NotPrivateError(Exception):
    """Others than the owner may read a file with a secret."""


def read_private(path: Path, *, is_mounted: bool) -> bytes:
    """What is in a file with a secret; one that a container engine mounted may have any mode.

    Raises:
        OSError: it cannot be read.
        NotPrivateError: others may read it.
    """
    with path.open("rb") as file:
        mode = stat.S_IMODE(os.fstat(file.fileno()).st_mode)
        if mode & 0o077 and not is_mounted:
            message = f"others may read {path}; run chmod 600"
            raise NotPrivateError(message)
        return file.read()


def write_private(path: Path, content: bytes) -> None:
    """Replaces `path`, mode 0600, whole or not at all, also across a power cut."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        view = memoryview(content)
        while view:
            view = view[os.write(descriptor, view) :]
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    fresh.replace(path)
