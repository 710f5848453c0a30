"""One set-up at a time for each home."""

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager

from install.errors import AlreadyWorkingError
from install.places import Places


def take(places: Places) -> int:
    """Takes the home's lock, which the kernel gives back when this process ends.

    Returns the file descriptor; whatever is started in between does not inherit it.

    Raises:
        AlreadyWorkingError: somebody else holds it.
    """
    handle = os.open(places.lock, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(handle)
        raise AlreadyWorkingError(places.home) from None
    return handle


@contextmanager
def held(places: Places, handed_over: int | None = None) -> Iterator[None]:
    """Holds the lock for a block; `handed_over` is one that the bootstrap left open for us."""
    handle = take(places) if handed_over is None else handed_over
    os.set_inheritable(handle, False)  # noqa: FBT003  # the library's signature
    try:
        yield
    finally:
        os.close(handle)
