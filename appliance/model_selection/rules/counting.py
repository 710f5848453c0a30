"""Which choices of groups count, for all groups of a tree at once."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gateway.contract.selection import Choice, Effective, Feature, effective

# A model for each group.
Models = Mapping[int, str]


@dataclass(frozen=True, slots=True)
class Said:
    """A group's choice; `above` is the nearest group above it with one as well."""

    group_id: int
    above: int | None
    choice: Choice


def counting(feature: Feature, said: Iterable[Said]) -> Models:
    """The models of the choices that count, by group.

    `said` has the choices for this feature, each after those above it.
    """
    # What holds below a level is what the level below that starts from: so each choice is looked
    # at once, however deep it lies.
    below: dict[int | None, Feature] = {None: feature}
    counted: dict[int, str] = {}
    for each in said:
        start = below[each.above]
        held = effective(start, ((each.group_id, each.choice),), may_switch=True)
        counts = held.level == each.group_id
        if counts:
            counted[each.group_id] = each.choice.model
        # Which model is used above makes no difference below, only what may be chosen.
        is_new = counts and (held.is_locked or held.selectable is not start.selectable)
        below[each.group_id] = _as_start(feature.name, held) if is_new else start
    return counted


def decides_alike(before: Feature, after: Feature) -> bool:
    """Whether the same choices count under both, whatever they are."""
    return (before.is_disabled, before.is_locked, before.selectable) == (
        after.is_disabled,
        after.is_locked,
        after.selectable,
    )


def difference(
    before: Models, after: Models, *, stored: tuple[Models, Models]
) -> tuple[Models, Models]:
    """The choices that count no more, and those that count now, of those that are as they were.

    `stored` are all choices before and after, whether or not they count.
    """
    was, is_ = stored
    same = {group_id for group_id, model in is_.items() if was.get(group_id) == model}
    lost = {each: before[each] for each in before if each in same and each not in after}
    found = {each: after[each] for each in after if each in same and each not in before}
    return lost, found


def with_new_refs(feature: Feature, renamed: Mapping[str, str]) -> Feature:
    """What the instance said, in the refs that models have now."""
    if not renamed:
        return feature
    return Feature(
        name=feature.name,
        default=None if feature.default is None else renamed.get(feature.default, feature.default),
        selectable=frozenset(renamed.get(ref, ref) for ref in feature.selectable),
        is_disabled=feature.is_disabled,
        is_locked=feature.is_locked,
    )


def _as_start(name: str, held: Effective) -> Feature:
    return Feature(
        name=name, default=held.model, selectable=held.selectable, is_locked=held.is_locked
    )
