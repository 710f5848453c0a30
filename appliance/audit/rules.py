"""Who did what to what, and how the entries of the log hold each other in place."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Actor:
    """Who did something; `id` is the user's or the gateway's, empty for the machine itself."""

    kind: str
    id: str
    name: str


# Who is logged in to the machine, its set-up and its timed jobs.
SYSTEM = Actor(kind="system", id="", name="system")


def user_actor(user_id: int, username: str) -> Actor:
    """A person or a script with a user of its own."""
    return Actor(kind="user", id=str(user_id), name=username)


def gateway_actor(gateway_id: str, name: str) -> Actor:
    """A registered gateway."""
    return Actor(kind="gateway", id=gateway_id, name=name)


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """What it was done to."""

    kind: str
    id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Link:
    """Where the log stands: the number of an entry and its digest."""

    sequence: int
    digest: str


GENESIS = Link(sequence=0, digest="0" * 64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What happened, before it has a place in the log; `details` is what JSON gives back."""

    happened_at: datetime
    action: str
    actor: Actor
    target: Target
    details: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """An entry in its place; `digest` covers it and the digest of the one before."""

    sequence: int
    entry: Entry
    previous_digest: str
    digest: str

    @property
    def link(self) -> Link:
        """What the next entry follows."""
        return Link(sequence=self.sequence, digest=self.digest)


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    """Which entries are asked for; both moments are inside."""

    action: str | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a walk over the whole log found; `head` is the digest to note down outside of it."""

    entries: int
    head: str
    first_bad: int | None = None
    reason: str | None = None

    @property
    def is_intact(self) -> bool:
        """Whether every entry is there, in its place, as it was written."""
        return self.first_bad is None

    def summary(self) -> dict[str, Any]:
        """The same for programs."""
        return {
            "intact": self.is_intact,
            "entries": self.entries,
            "head": self.head,
            "first_bad": self.first_bad,
            "reason": self.reason,
        }


def plain(details: Mapping[str, Any]) -> dict[str, Any]:
    """The details as every database gives them back.

    Raises:
        TypeError, ValueError: something that JSON cannot carry.
    """
    read_back: dict[str, Any] = json.loads(json.dumps(dict(details), allow_nan=False))
    return read_back


def append(entry: Entry, *, after: Link) -> AuditEvent:
    """The entry as the next one of the log."""
    sequence = after.sequence + 1
    digest = _digest(entry, sequence=sequence, previous_digest=after.digest)
    return AuditEvent(sequence=sequence, entry=entry, previous_digest=after.digest, digest=digest)


def _digest(entry: Entry, *, sequence: int, previous_digest: str) -> str:
    content = {
        "sequence": sequence,
        # One spelling for a moment, whatever zone and precision a database answers with.
        "happened_at": entry.happened_at.astimezone(UTC).isoformat(timespec="microseconds"),
        "actor": [entry.actor.kind, entry.actor.id, entry.actor.name],
        "action": entry.action,
        "target": [entry.target.kind, entry.target.id],
        "details": entry.details,
        "previous": previous_digest,
    }
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def problem_of(event: AuditEvent, *, after: Link) -> str | None:
    """Why the event cannot be the one that was written after `after`; None when it can."""
    number = after.sequence + 1
    if event.sequence != number:
        return f"Entry {number} is missing."
    if event.previous_digest != after.digest:
        return f"Entry {number} is not the one that was written after entry {after.sequence}."
    if _digest(event.entry, sequence=number, previous_digest=after.digest) != event.digest:
        return f"Entry {number} is not as it was written."
    return None


def judge(events: Iterable[AuditEvent], *, head: Link) -> Verdict:
    """Walks the events, in order of their numbers, up to the first that is wrong.

    `head` says where the log ends, so that a cut-off end shows.
    """
    last = GENESIS
    for event in events:
        problem = problem_of(event, after=last)
        if problem is not None:
            return _broken(last, problem)
        if event.sequence == head.sequence and event.digest != head.digest:
            return _broken(last, f"Entry {event.sequence} is not the one that was written last.")
        last = event.link
    if last.sequence < head.sequence:
        return _broken(last, f"Entry {last.sequence + 1} and what followed it are cut off.")
    if last.sequence > head.sequence:
        return _broken(head, f"Entry {head.sequence + 1} was not written through the log.")
    return Verdict(entries=last.sequence, head=last.digest)


def _broken(last_good: Link, problem: str) -> Verdict:
    return Verdict(
        entries=last_good.sequence,
        head=last_good.digest,
        first_bad=last_good.sequence + 1,
        reason=problem,
    )
