"""Which feature flags there are, and whether one is on for somebody."""

import hashlib
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Literal

import msgspec

from appliance.errors import InvalidFieldsError

GLOBAL_SWITCH = "ai_global_switch"
EVERY_PERCENT = 100

GateKind = Literal["everyone", "user", "namespace", "percentage_of_users"]
# A user or a group, and its id.
Subject = tuple[Literal["user", "namespace"], int]

# What each kind of setting takes the place of.
REPLACES: Mapping[GateKind, GateKind] = {
    "everyone": "percentage_of_users",
    "percentage_of_users": "everyone",
}


class DefinitionsError(ValueError):
    """The file of flags contradicts itself or the catalogue; the text names every place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A flag; while it is off for a user, nothing of the `features` it guards is granted."""

    name: str
    description: str
    is_on_by_default: bool
    features: tuple[str, ...]


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


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    description: str
    is_on_by_default: bool
    features: tuple[str, ...] = ()


def parse_definitions(text: str, *, features: Collection[str]) -> dict[str, Definition]:
    """Reads the file of flags; `features` are those of the catalogue.

    Raises:
        DefinitionsError: not of that form, no global switch, or a feature that nothing defines.
    """
    try:
        written = msgspec.convert(tomllib.loads(text), dict[str, _Written])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as cause:
        raise DefinitionsError(str(cause)) from cause
    problems = [
        f"flag {name}: unknown feature {feature}"
        for name, flag in written.items()
        for feature in flag.features
        if feature not in features
    ]
    if GLOBAL_SWITCH not in written:
        problems.append(f"the flag {GLOBAL_SWITCH} is missing")
    if problems:
        raise DefinitionsError("; ".join(problems))
    return {
        name: Definition(
            name=name,
            description=flag.description,
            is_on_by_default=flag.is_on_by_default,
            features=flag.features,
        )
        for name, flag in written.items()
    }


@cache
def load_definitions() -> Mapping[str, Definition]:
    """The flags of this release; `parse_definitions` with the catalogue is part of the tests."""
    text = files(__package__).joinpath("definitions.toml").read_text("utf-8")
    written = msgspec.convert(tomllib.loads(text), dict[str, _Written])
    named = {feature for flag in written.values() for feature in flag.features}
    return parse_definitions(text, features=named)


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


def gates_of(flag: str, value: bool | int, subjects: Sequence[Subject]) -> list[Gate]:  # noqa: FBT001  # a flag's value is a boolean or a share
    """What setting a flag to `value` means, for everyone or for `subjects`.

    Raises:
        InvalidFieldsError: a share that is no percentage, or that is set for somebody.
    """
    if isinstance(value, bool):
        return [
            Gate(flag=flag, kind=kind, subject_id=subject_id, value=int(value))
            for kind, subject_id in subjects or (("everyone", 0),)
        ]
    if not 0 <= value <= EVERY_PERCENT:
        raise InvalidFieldsError({"value": "must be true, false or a percentage from 0 to 100"})
    if subjects:
        raise InvalidFieldsError({"value": "must be true or false for a user or a group"})
    return [Gate(flag=flag, kind="percentage_of_users", subject_id=0, value=value)]


def parse_value(value: bool | int | str, *, is_share: bool = False) -> bool | int:  # noqa: FBT001  # a flag's value is a boolean or a share
    """What a client sets a flag to: on, off, or a percentage of the users.

    Raises:
        InvalidFieldsError: none of them.
    """
    text = str(value).lower()
    if text in {"true", "false"} and not is_share:
        return text == "true"
    if text.isascii() and text.isdigit() and len(text) <= len(str(EVERY_PERCENT)):
        return int(text)
    raise InvalidFieldsError({"value": "must be true, false or a percentage from 0 to 100"})


def state_of(definition: Definition, gates: Sequence[Gate]) -> Literal["on", "off", "conditional"]:
    """GitLab's word for a flag, given its own gates: whether it depends on whom one asks for."""
    if any(gate.kind != "everyone" for gate in gates):
        return "conditional"
    return "on" if is_on(definition, gates, Asker(user_id=None, namespaces=())) else "off"


def shown_gates(definition: Definition, gates: Sequence[Gate]) -> list[dict[str, object]]:
    """What a flag was set to in GitLab's form; for whom it is turned off is listed apart."""
    everyone = [bool(gate.value) for gate in gates if gate.kind == "everyone"]
    on = everyone[0] if everyone else definition.is_on_by_default
    shares = [gate.value for gate in gates if gate.kind == "percentage_of_users"]
    shown: list[dict[str, object]] = [{"key": "boolean", "value": on}]
    shown += [{"key": "percentage_of_actors", "value": share} for share in shares]
    for key, value in (("actors", 1), ("actors_off", 0)):
        names = [_actor(gate) for gate in gates if gate.value == value and gate.subject_id]
        shown += [{"key": key, "value": names}] if names else []
    return shown


def _actor(gate: Gate) -> str:
    return f"{'User' if gate.kind == 'user' else 'Group'}:{gate.subject_id}"
