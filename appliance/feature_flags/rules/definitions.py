"""Which feature flags there are, what each guards, and who is told of it."""

import re
import tomllib
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from importlib.resources import files
from itertools import chain
from typing import Literal

import msgspec

from gateway.contract.catalog import load_catalog

GLOBAL_SWITCH = "ai_global_switch"
# Longer than any flag's name; what is longer resembles none.
MAX_NAME = 100

FlagType = Literal["ops", "beta", "development", "experiment"]
Receiver = Literal["gateway", "page"]
# Major, minor, patch.
Release = tuple[int, int, int]

_RELEASE = re.compile(r"(\d+)\.(\d+)\.(\d+)")


class DefinitionsError(ValueError):
    """The file of flags contradicts itself or the catalogue; the text names every place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Definition:
    """A flag; while it is off for a user, nothing of the `features` it guards is granted.

    `until` is the release that it should be gone by; `push` says who is told that it is on.
    """

    name: str
    kind: FlagType
    description: str
    is_on_by_default: bool
    since: str
    owner: str
    until: str | None
    features: tuple[str, ...]
    push: frozenset[Receiver]


class _Written(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    type: FlagType
    description: str
    is_on_by_default: bool
    since: str
    owner: str
    until: str | None = None
    features: tuple[str, ...] = ()
    push: frozenset[Receiver] = frozenset()


def parse_definitions(text: str, *, features: Collection[str]) -> dict[str, Definition]:
    """Reads the file of flags; `features` are those of the catalogue.

    Raises:
        DefinitionsError: not of that form, no global switch, a feature that no flag guards, a flag
            that guards what is no feature or is called like one, or a release that is none.
    """
    try:
        written = msgspec.convert(tomllib.loads(text), dict[str, _Written])
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as cause:
        raise DefinitionsError(str(cause)) from cause
    problems = [*_problems(written, features)]
    if problems:
        raise DefinitionsError("; ".join(problems))
    return {
        name: Definition(
            name=name,
            kind=flag.type,
            description=flag.description,
            is_on_by_default=flag.is_on_by_default,
            since=flag.since,
            owner=flag.owner,
            until=flag.until,
            features=flag.features,
            push=flag.push,
        )
        for name, flag in written.items()
    }


def _problems(written: Mapping[str, _Written], features: Collection[str]) -> Iterable[str]:
    guarded = set(chain.from_iterable(flag.features for flag in written.values()))
    for name, flag in written.items():
        if name in features:
            yield f"flag {name}: called like a feature"
        yield from (
            f"flag {name}: unknown feature {feature}"
            for feature in flag.features
            if feature not in features
        )
        for release in (flag.since, flag.until):
            if release is not None and parse_release(release) is None:
                yield f"flag {name}: {release} is no release"
    yield from (f"no flag guards {name}" for name in features if name not in guarded)
    if GLOBAL_SWITCH not in written:
        yield f"the flag {GLOBAL_SWITCH} is missing"


@cache
def load_definitions() -> Mapping[str, Definition]:
    """The flags of this release."""
    text = files("appliance.feature_flags").joinpath("definitions.toml").read_text("utf-8")
    return parse_definitions(text, features=load_catalog().features)


def parse_release(text: str) -> Release | None:
    """The release that a version belongs to; None for what was never released."""
    found = _RELEASE.match(text)
    if found is None:
        return None
    major, minor, patch = (int(each) for each in found.groups())
    return major, minor, patch


def pushed_to(
    receiver: Receiver, flags: Iterable[str], definitions: Mapping[str, Definition]
) -> frozenset[str]:
    """Of these flags those that the receiver is told of: the fewer, the shorter each request."""
    return frozenset(each for each in flags if receiver in definitions[each].push)


def names_near(name: str, definitions: Mapping[str, Definition]) -> Sequence[str]:
    """The flags that may have been meant: those that guard a feature of that name, or resemble."""
    guarding = [each.name for each in definitions.values() if name in each.features]
    resembling = [] if len(name) > MAX_NAME else get_close_matches(name, definitions)
    return list(dict.fromkeys((*guarding, *resembling)))
