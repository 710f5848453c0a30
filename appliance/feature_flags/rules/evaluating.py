"""Whether a flag is on for somebody, and whom a change takes it from."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from appliance.feature_flags.rules.definitions import Definition

EVERY_PERCENT = 100

GateKind = Literal["everyone", "user", "namespace", "percentage_of_users"]
# A user or a group, and its id.
Subject = tuple[Literal["user", "namespace"], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One thing a flag was set to.

    `subject_id` is a user's or a group's id, else 0; `value` is 0 or 1, or the percentage.
    """

    flag: str
    kind: GateKind
    subject_id: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """For whom a flag is evaluated; `namespaces` are ids from the root down to the group's own."""

    user_id: int | None
    namespaces: Sequence[int]


def is_on(definition: Definition, gates: Iterable[Gate], asker: Asker) -> bool:
    """Whether the flag is on for the asker; the nearest setting decides.

    First what was set for the user, then for the nearest group, then the
    share of users, then what was set for everyone, then the default.
    """
    own: dict[tuple[GateKind, int], int] = {
        (gate.kind, gate.subject_id): gate.value for gate in gates if gate.flag == definition.name
    }
    if asker.user_id is not None and (value := own.get(("user", asker.user_id))) is not None:
        return bool(value)
    groups = [own.get(("namespace", each)) for each in asker.namespaces]
    chain = [value for value in groups if value is not None]
    if chain:
        return bool(chain[-1])
    share = own.get(("percentage_of_users", 0))
    if share is not None and asker.user_id is not None:
        return _place(definition.name, asker.user_id) < share
    everyone = own.get(("everyone", 0))
    return definition.is_on_by_default if everyone is None else bool(everyone)


def on_flags(
    definitions: Mapping[str, Definition], gates: Sequence[Gate], asker: Asker
) -> frozenset[str]:
    """All flags that are on for the asker."""
    return frozenset(name for name, each in definitions.items() if is_on(each, gates, asker))


def is_off_for_everyone(definition: Definition, gates: Iterable[Gate]) -> bool:
    """Whether there is no user for whom the flag can be on."""
    own = [gate for gate in gates if gate.flag == definition.name]
    return not any(gate.value for gate in own) and not _share_of_others(definition, own)


def is_on_for_everyone(definition: Definition, gates: Iterable[Gate]) -> bool:
    """Whether there is no user for whom the flag can be off."""
    own = [gate for gate in gates if gate.flag == definition.name]
    return all(gate.value for gate in own) and _share_of_others(definition, own) == EVERY_PERCENT


def narrowed_for(
    definition: Definition, before: Iterable[Gate], after: Iterable[Gate]
) -> frozenset[int] | None:
    """The users for whom a change may have turned the flag off; None: nobody knows how many.

    Too many rather than too few: what nothing says any more may still be so by another setting.
    """
    old = [gate for gate in before if gate.flag == definition.name]
    new = [gate for gate in after if gate.flag == definition.name]
    if _share_of_others(definition, new) < _share_of_others(definition, old):
        return None
    lost = _taken(old, new)
    users = frozenset(subject_id for kind, subject_id in lost if kind == "user")
    return users if len(users) == len(lost) else None


def _taken(old: Sequence[Gate], new: Sequence[Gate]) -> set[Subject]:
    # Users and groups that were let in by a setting of their own, or are kept out by a new one.
    was: dict[Subject, int] = {s: g.value for g in old if (s := _subject(g)) is not None}
    now: dict[Subject, int] = {s: g.value for g in new if (s := _subject(g)) is not None}
    ended = {subject for subject, value in was.items() if value and not now.get(subject)}
    return ended | {s for s, value in now.items() if not value and s not in was}


def _subject(gate: Gate) -> Subject | None:
    if gate.kind in {"user", "namespace"}:
        return (gate.kind, gate.subject_id)
    return None


def _share_of_others(definition: Definition, own: Iterable[Gate]) -> int:
    """The percentage of those users for whom, and for whose groups, nothing was set."""
    shares = {gate.kind: gate.value for gate in own}
    if (share := shares.get("percentage_of_users")) is not None:
        return share
    return EVERY_PERCENT * shares.get("everyone", int(definition.is_on_by_default))


def _place(flag: str, user_id: int) -> int:
    # 0 to 99, the same at every evaluation, and unrelated between flags.
    digest = hashlib.sha256(f"{flag}:{user_id}".encode()).digest()
    return int.from_bytes(digest[:8], "big") % EVERY_PERCENT
