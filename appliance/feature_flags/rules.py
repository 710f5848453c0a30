"""What flags there are, and for whom one is on."""

import hashlib
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from appliance.accounts.rules import User
from appliance.errors import InvalidFieldsError
from appliance.feature_flags.errors import DefinitionsError
from gateway.contract.catalog import Catalog, load_catalog

GLOBAL_SWITCH = "ai_global_switch"

GateKind = Literal["everyone", "user", "namespace", "percentage_of_users"]
EVERYTHING_PERCENT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A flag; `features` are those of the catalogue that it guards."""

    name: str
    description: str
    is_on_by_default: bool
    features: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """One setting of a flag: `value` is 0 or 1 for whom it names, or a percentage of users.

    `subject_id` is the user's or the group's id, else 0.
    """

    kind: GateKind
    subject_id: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag:
    """A flag with what it was set to."""

    definition: Definition
    gates: tuple[Gate, ...]


def parse_definitions(text: str, catalog: Catalog) -> Mapping[str, Definition]:
    """Reads the definitions, by name.

    Raises:
        DefinitionsError: not of the expected shape, or a feature that the catalogue lacks.
    """
    try:
        found = {name: _definition(name, **fields) for name, fields in tomllib.loads(text).items()}
    except (tomllib.TOMLDecodeError, TypeError) as cause:
        raise DefinitionsError(str(cause)) from cause
    problems = [
        f"flag {flag.name}: unknown feature {feature}"
        for flag in found.values()
        for feature in flag.features
        if feature not in catalog.features
    ]
    if GLOBAL_SWITCH not in found:
        problems.append(f"the flag {GLOBAL_SWITCH} is missing")
    if problems:
        raise DefinitionsError("; ".join(problems))
    return found


def _definition(
    name: str, *, description: str, is_on_by_default: bool, features: Iterable[str] = ()
) -> Definition:
    return Definition(
        name=name,
        description=description,
        is_on_by_default=is_on_by_default,
        features=tuple(features),
    )


@cache
def load_definitions() -> Mapping[str, Definition]:
    """The flags of this release."""
    text = files(__package__).joinpath("definitions.toml").read_text("utf-8")
    return parse_definitions(text, load_catalog())


def is_on(flag: Flag, *, user: User | None, namespaces: Sequence[int]) -> bool:
    """Whether the flag is on for the user in a group, whose chain is `namespaces`, root first.

    The narrowest setting decides: the user's own, then the nearest group's, then the share of
    users, then what is set for everyone, then the default.
    """
    values = {(gate.kind, gate.subject_id): gate.value for gate in flag.gates}
    if user is not None and ("user", user.id) in values:
        return values["user", user.id] == 1
    for namespace_id in reversed(namespaces):
        if ("namespace", namespace_id) in values:
            return values["namespace", namespace_id] == 1
    if ("percentage_of_users", 0) in values:
        share = values["percentage_of_users", 0]
        return user is not None and bucket(flag.definition.name, user.id) < share
    if ("everyone", 0) in values:
        return values["everyone", 0] == 1
    return flag.definition.is_on_by_default


def bucket(flag: str, user_id: int) -> int:
    """A number from 0 to 99, the same each time for a user, and another for each flag."""
    digest = hashlib.sha256(f"{flag}:{user_id}".encode()).digest()
    return int.from_bytes(digest[:8]) % EVERYTHING_PERCENT


def clears_others(kind: GateKind) -> bool:
    """Whether setting that gate removes all others, so that what is set for all holds for all."""
    return kind == "everyone"


def parse_value(value: bool | int | str, *, key: str | None) -> tuple[GateKind, int]:  # noqa: FBT001  # the wire's own
    """What a client sets for everyone: on, off, or a percentage of the users.

    Raises:
        InvalidFieldsError: none of them.
    """
    if key not in {None, "percentage_of_actors"}:
        raise InvalidFieldsError({"key": "must be percentage_of_actors"})
    text = str(value).lower()
    if text in {"true", "false"} and key is None:
        return "everyone", int(text == "true")
    if text.isascii() and text.isdigit() and len(text) <= len(str(EVERYTHING_PERCENT)):
        share = int(text)
        if share <= EVERYTHING_PERCENT:
            return "percentage_of_users", share
    raise InvalidFieldsError({"value": "must be true, false, or a percentage from 0 to 100"})


def state_of(flag: Flag) -> Literal["on", "off", "conditional"]:
    """GitLab's word for a flag: conditional when it depends on whom one asks for."""
    if any(gate.kind != "everyone" for gate in flag.gates):
        return "conditional"
    return "on" if is_on(flag, user=None, namespaces=()) else "off"


def shown_gates(flag: Flag) -> list[dict[str, Any]]:
    """A flag's settings in GitLab's form; who is turned off is listed apart."""
    everyone = [gate.value == 1 for gate in flag.gates if gate.kind == "everyone"]
    shown: list[dict[str, Any]] = [
        {"key": "boolean", "value": everyone[0] if everyone else flag.definition.is_on_by_default}
    ]
    for key, value in (("actors", 1), ("actors_off", 0)):
        names = [
            f"{'User' if gate.kind == 'user' else 'Group'}:{gate.subject_id}"
            for gate in flag.gates
            if gate.kind in {"user", "namespace"} and gate.value == value
        ]
        shown += [{"key": key, "value": names}] if names else []
    shares = [gate.value for gate in flag.gates if gate.kind == "percentage_of_users"]
    shown += [{"key": "percentage_of_actors", "value": share} for share in shares]
    return shown
