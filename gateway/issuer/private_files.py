"""Writes files that only the gateway's user may read."""

import os
from pathlib import Path


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
