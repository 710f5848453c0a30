"""Which model a feature uses in a group: what both sides make of the choices of every level.

The instance says what there is to choose from and what is used where nobody chose; a group chooses
from what the level above leaves it, and may narrow that for the groups below, or lock its choice. A
choice counts as a whole, with what it narrows and locks, or not at all: it does when its model is
selectable at the level above and no level above is locked. So what is effective is always
selectable, and a choice that stops fitting is as good as none until it fits again.
"""

from collections.abc import Iterable
from typing import Literal

import msgspec

# The flag without which no group's choice counts.
SWITCHING_FLAG = "ai_model_switching"
# What a request may name in place of a model, to get the one of its feature.
DEFAULT_MODEL = "default"

WhyIgnored = Literal["not_selectable", "locked_above"]


class Feature(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What the instance says of a feature.

    `default` is used where no group chose, and is one of `selectable`; None: nothing is assigned,
    so a request that names no model is refused. With `is_locked` no group chooses.
    """

    name: str
    default: str | None = None
    selectable: frozenset[str] = frozenset()
    is_disabled: bool = False
    is_locked: bool = False


# No part of a cycle, and there may be millions: the collector need not look at each, ever.
class Choice(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """What a group says of a feature.

    `narrowed_to`, if it is said, has `model` in it. With `is_locked` no group below chooses.
    """

    feature: str
    model: str
    is_locked: bool = False
    narrowed_to: frozenset[str] | None = None


class Group(msgspec.Struct, frozen=True, array_like=True, gc=False):
    """A group with its own choices, one a feature; `parent_id` None: the top of a tree."""

    id: int
    parent_id: int | None = None
    choices: tuple[Choice, ...] = ()


class Ignored(msgspec.Struct, frozen=True):
    """A choice that does not count, and why."""

    group_id: int
    why: WhyIgnored


class Effective(msgspec.Struct, frozen=True, kw_only=True):
    """What holds for a feature in a group.

    `selectable` are the models that a request may name there, and that a group right below may
    choose from. `level` is the group whose choice `model` is, None for the instance. `locked_at`
    is the group that leaves those below no choice; `is_locked` without one: the instance does.
    """

    model: str | None
    selectable: frozenset[str]
    level: int | None = None
    is_locked: bool = False
    locked_at: int | None = None
    ignored: tuple[Ignored, ...] = ()


NOTHING = Effective(model=None, selectable=frozenset(), is_locked=True)


def effective(
    feature: Feature, chain: Iterable[tuple[int, Choice | None]], *, may_switch: bool
) -> Effective:
    """What holds at the end of `chain`, the groups from the top of the tree downwards.

    Each comes with its id and its choice for this feature. `may_switch`: the flag is on.
    """
    if feature.is_disabled:
        return NOTHING
    model, selectable, level, locked_at = feature.default, feature.selectable, None, None
    is_locked = feature.is_locked or not may_switch
    if is_locked:
        selectable = _only(model)
    ignored: list[Ignored] = []
    for group_id, choice in chain:
        if choice is None:
            continue
        if is_locked or choice.model not in selectable:
            ignored.append(Ignored(group_id, "locked_above" if is_locked else "not_selectable"))
            continue
        model, level = choice.model, group_id
        if choice.narrowed_to is not None:
            selectable &= choice.narrowed_to
        if choice.is_locked:
            is_locked, locked_at, selectable = True, group_id, _only(model)
    return Effective(
        model=model,
        selectable=selectable,
        level=level,
        is_locked=is_locked,
        locked_at=locked_at,
        ignored=tuple(ignored),
    )


def _only(model: str | None) -> frozenset[str]:
    return frozenset() if model is None else frozenset((model,))


def ref_key(ref: str) -> str:
    """The form in which two refs count as one: case and `-`, `_`, `/` make no difference."""
    return ref.casefold().translate(_SAME_SEPARATOR)


_SAME_SEPARATOR = str.maketrans("_/", "--")
