"""The ledgers of the services: one file each below HOME/egress, a line for each attempt."""

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from install.services import GATEWAY, INSTANCE, MODEL_SERVER

VLLM = "vllm"
# Each ledger, and the service where it lies when services are containers.
LEDGERS = {INSTANCE: INSTANCE, GATEWAY: GATEWAY, MODEL_SERVER: MODEL_SERVER, VLLM: MODEL_SERVER}

# A service that a ledger lies with, the file's name; None when the service cannot be looked into,
# and nothing when there is no such file.
Read = Callable[[str, str], bytes | None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt to leave; `by` names the code that made it, the innermost first."""

    time: datetime
    service: str
    pid: int
    what: str
    host: str
    port: int | None
    outcome: str
    by: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """What the ledgers hold, the latest last.

    `unread` are those that could not be looked into, `cut` those that have put lines aside before,
    so that their oldest may be gone.
    """

    attempts: tuple[Attempt, ...]
    unread: tuple[str, ...] = ()
    cut: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many attempts each ledger that was read has; zero is said as well."""
        counts = {name: 0 for name in LEDGERS if name not in self.unread}
        for each in self.attempts:
            counts[each.service] = counts.get(each.service, 0) + 1
        return counts

    @property
    def refused(self) -> int | None:
        """How many there are; None when nothing could be read."""
        return len(self.attempts) if self.counts else None

    def since(self, moment: datetime | None) -> "Found":
        """The same without what was before."""
        kept = tuple(each for each in self.attempts if moment is None or each.time >= moment)
        return Found(attempts=kept, unread=self.unread, cut=self.cut)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        attempts = [{**asdict(each), "time": each.time.isoformat()} for each in self.attempts]
        return {
            "refused": len(self.attempts),
            "services": self.counts,
            "unread": list(self.unread),
            "cut": list(self.cut),
            "attempts": attempts,
        }


def collect(read: Read) -> Found:
    """Reads all ledgers; a line that is none, as of a write that was cut off, is left out."""
    attempts: list[Attempt] = []
    unread, cut = [], []
    for name, service in LEDGERS.items():
        older, newer = read(service, f"{name}.jsonl.1"), read(service, f"{name}.jsonl")
        if older is None or newer is None:
            unread.append(name)
            continue
        if older:
            cut.append(name)
        attempts += _parsed((older + newer).splitlines())
    attempts.sort(key=lambda each: each.time)
    return Found(attempts=tuple(attempts), unread=tuple(unread), cut=tuple(cut))


def _time(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    if found.utcoffset() is None:
        sentence = "a time without a zone"
        raise ValueError(sentence)
    # At the ends of time it can be shown nowhere.
    found.astimezone()
    return found


def _text(value: object) -> str:
    """For a terminal: who is watched writes its ledger itself."""
    return "".join(each if each.isprintable() else "?" for each in str(value))


def _parsed(lines: Iterable[bytes]) -> list[Attempt]:
    found = []
    for line in lines:
        try:
            told = json.loads(line)
            port = told.get("port")
            attempt = Attempt(
                time=_time(told["time"]),
                service=_text(told["service"]),
                pid=int(told["pid"]),
                what=_text(told["what"]),
                host=_text(told["host"]),
                port=None if port is None else int(port),
                outcome=_text(told.get("outcome", "refused")),
                by=tuple(_text(each) for each in told.get("by", ())),
            )
        except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
            continue
        found.append(attempt)
    return found
