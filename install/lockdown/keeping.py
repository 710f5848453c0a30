"""Puts the lock, looks every two seconds whether it is there, and tells others so by files."""

import json
import sys
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Protocol

from install.lockdown.netlink import FilterError, Found
from install.lockdown.rules import Lock, difference

LOOK_EVERY_S = 2.0
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Packets(Protocol):
    """What keeping needs of the packet filter."""

    def put(self, lock: Lock) -> None:
        """Puts the lock in one step."""

    def remove(self, table: str) -> None:
        """Takes a table away."""

    def read(self, lock: Lock) -> Found:
        """What is there of the lock."""


class Keeper:
    """Holds one lock; `signs` is the folder of its two files.

    `held` says in which boot of this machine the lock was put: it is what the services wait for
    before they start, since an engine starts them after a reboot without asking for any order.
    `seen` is touched whenever the lock was found whole: it is what the health check looks at.
    """

    def __init__(
        self, lock: Lock, packets: Packets, *, signs: Path, boot_id: Path = BOOT_ID
    ) -> None:
        self._lock = lock
        self._packets = packets
        self._held = signs / "held"
        self._seen = signs / "seen"
        self._boot_id = boot_id
        self._dropped = 0

    def run(self, *, until: threading.Event) -> None:
        """Keeps the lock until it is told to end; the lock itself stays.

        Raises:
            FilterError: it could not be seen or put the first time.
        """
        self.look()
        while not until.wait(LOOK_EVERY_S):
            try:
                self.look()
            except FilterError as error:
                # The health check sees it by the age of `seen`.
                _say("lock_unknown", problem=str(error))

    def look(self) -> None:
        """Looks once, and puts the lock again if it is not whole.

        Raises:
            FilterError: it cannot be seen, or not be put.
        """
        found = self._packets.read(self._lock)
        problem = difference(self._lock, found.chains)
        dropped = sum(found.dropped.values())
        if problem is not None:
            self._packets.put(self._lock)
            _say("lock_put", table=self._lock.table, problem=problem)
            dropped = 0
        elif dropped > self._dropped:
            _say("packets_dropped", packets=dropped - self._dropped, since_put=dropped)
        self._dropped = dropped
        self._held.write_text(self._boot_id.read_text())
        self._seen.touch()

    def give_up(self) -> None:
        """Takes the lock and its files away.

        Raises:
            FilterError: it is still there.
        """
        self._held.unlink(missing_ok=True)
        self._seen.unlink(missing_ok=True)
        self._packets.remove(self._lock.table)
        _say("lock_removed", table=self._lock.table)


def _say(event: str, **facts: object) -> None:
    now = datetime.now(UTC).isoformat()
    print(json.dumps({"event": event, "timestamp": now, **facts}), file=sys.stdout, flush=True)
