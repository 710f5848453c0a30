"""`python -m install.slots.guardian`: outlives whoever changes slots, and mends what they leave.

Its standard input is held open by that process and by nobody else. A word on it means that all is
done; its end without one means that the process was killed.
"""

import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from install import bootstrap, locking
from install.errors import AlreadyWorkingError, InstallError
from install.places import Places
from install.slots import recovery
from install.slots.program import Program

DONE = b"done\n"
# An orphan of the killed process may still hold the lock while it ends.
LOCK_PATIENCE_S = 1800.0
LOCK_POLL_S = 0.2
LOG = "recovery.log"
# Guardians that outlive this process, so that nobody waits for them.
_AT_WORK: list[subprocess.Popen[bytes]] = []


@contextmanager
def watching(program: Program) -> Iterator[None]:
    """Has a guardian of that program's release watch this process while the block runs."""
    log = program.places.logs / LOG
    with log.open("ab") as output:
        guardian = subprocess.Popen(
            [str(program.python), "-P", "-m", "install.slots.guardian"],
            env=program.environment(),
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        yield
    except InstallError:
        # What the block leaves undone, it leaves to the next `recover` and says so itself.
        guardian.communicate(DONE)
        raise
    except BaseException:
        # Cut, as by a second Ctrl-C; the guardian mends it once this process lets go of the lock.
        if guardian.stdin is not None:
            guardian.stdin.close()
        _AT_WORK.append(guardian)
        raise
    guardian.communicate(DONE)


def guard(
    places: Places,
    *,
    patience_s: float = LOCK_PATIENCE_S,
    sleep: Callable[[float], None] = time.sleep,
) -> str | None:
    """Waits for the lock, then recovers; a sentence on it.

    Raises:
        InstallError: the home could not be mended.
    """
    until = time.monotonic() + patience_s
    while True:
        try:
            handle = locking.take(places)
        except AlreadyWorkingError:
            if time.monotonic() > until:
                raise
            sleep(LOCK_POLL_S)
            continue
        with locking.held(places, handle):
            return recovery.recover(places, lock=handle, say=lambda _line: None)


def main() -> int:
    """Waits for the word or its absence."""
    if sys.stdin.buffer.read().endswith(DONE):
        return 0
    try:
        told = guard(bootstrap.find_places())
    except InstallError as error:
        told, code = error.sentence, error.exit_code
    else:
        code = 0
    print(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {told or 'nothing to mend'}", flush=True)
    return code


if __name__ == "__main__":
    sys.exit(main())
