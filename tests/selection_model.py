"""What is chosen, said as plainly as it can be: the measure for the gateway and the instance.

Written from the words of the design, level by level from the top, and from nothing of either side.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple


@dataclass(frozen=True, kw_only=True)
class Offer:
    """What the instance says of one feature."""

    default: str | None = None
    selectable: frozenset[str] = frozenset()
    is_disabled: bool = False
    is_locked: bool = False


@dataclass(frozen=True, kw_only=True)
class Wish:
    """What a group says of that feature; `narrowed_to` None: it leaves what it was left."""

    model: str
    is_locked: bool = False
    narrowed_to: frozenset[str] | None = None


@dataclass(frozen=True, kw_only=True)
class World:
    """One feature in one tree: what each group's parent is, and what each chose."""

    offer: Offer
    parents: Mapping[int, int | None] = field(default_factory=dict)
    wishes: Mapping[int, Wish] = field(default_factory=dict)


class Answer(NamedTuple):
    """What holds at a level; `level` None: the instance said it."""

    model: str | None
    selectable: frozenset[str]
    level: int | None
    is_locked: bool


def answer(world: World, group_id: int | None, *, may_switch: bool) -> Answer:
    """What holds in a group, or at the instance for None."""
    offer = world.offer
    if offer.is_disabled:
        return Answer(None, frozenset(), None, is_locked=True)
    if group_id is None:
        if offer.is_locked or not may_switch:
            alone = frozenset() if offer.default is None else frozenset({offer.default})
            return Answer(offer.default, alone, None, is_locked=True)
        return Answer(offer.default, offer.selectable, None, is_locked=False)
    above = answer(world, world.parents[group_id], may_switch=may_switch)
    wish = world.wishes.get(group_id)
    if wish is None or above.is_locked or wish.model not in above.selectable:
        return above
    if wish.is_locked:
        return Answer(wish.model, frozenset({wish.model}), group_id, is_locked=True)
    left = above.selectable if wish.narrowed_to is None else above.selectable & wish.narrowed_to
    return Answer(wish.model, left, group_id, is_locked=False)
