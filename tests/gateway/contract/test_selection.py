"""What holds for a feature at the end of a chain of groups."""

import pytest

from gateway.contract.selection import (
    NOTHING,
    Choice,
    Effective,
    Feature,
    Ignored,
    effective,
    ref_key,
)

ALL = frozenset({"a", "b", "c"})
FEATURE = Feature(name="duo_chat", default="a", selectable=ALL)


def a_choice(
    model: str, *, is_locked: bool = False, narrowed_to: frozenset[str] | None = None
) -> Choice:
    return Choice("duo_chat", model, is_locked, narrowed_to)


def held(*choices: Choice | None, feature: Feature = FEATURE, may_switch: bool = True) -> Effective:
    return effective(feature, enumerate(choices, start=1), may_switch=may_switch)


@pytest.mark.parametrize("other", ["Qwen-2.5", "qwen_2.5", "QWEN/2.5", "qwen-2.5"])
def test_case_and_separators_make_no_second_ref(other: str) -> None:
    assert ref_key(other) == ref_key("qwen-2.5")


def test_refs_that_differ_in_letters_differ() -> None:
    assert ref_key("qwen-2.5") != ref_key("qwen-25")


def test_without_choices_the_instance_decides() -> None:
    assert held(None, None) == Effective(model="a", selectable=ALL)


def test_the_nearest_choice_counts() -> None:
    found = held(a_choice("b"), None, a_choice("c"), None)
    assert (found.model, found.level) == ("c", 3)


def test_nothing_assigned_stays_so_below() -> None:
    assert held(None, feature=Feature(name="duo_chat", selectable=ALL)).model is None


def test_a_group_narrows_for_those_below() -> None:
    found = held(a_choice("b", narrowed_to=frozenset({"b", "c"})), a_choice("a"))
    assert (found.model, found.selectable) == ("b", frozenset({"b", "c"}))
    assert found.ignored == (Ignored(2, "not_selectable"),)


def test_a_narrowing_widens_nothing() -> None:
    found = held(a_choice("b", narrowed_to=frozenset({"b", "z"})), a_choice("z"))
    assert (found.model, found.selectable) == ("b", frozenset({"b"}))


def test_a_choice_that_does_not_count_narrows_and_locks_nothing() -> None:
    stale = a_choice("z", is_locked=True, narrowed_to=frozenset({"z", "b"}))
    found = held(stale, a_choice("c"))
    assert (found.model, found.selectable, found.is_locked) == ("c", ALL, False)


def test_below_a_lock_there_is_one_model() -> None:
    found = held(a_choice("b", is_locked=True), a_choice("c"))
    assert (found.model, found.selectable, found.locked_at) == ("b", frozenset({"b"}), 1)
    assert found.ignored == (Ignored(2, "locked_above"),)


def test_a_locked_instance_leaves_its_default() -> None:
    locked = Feature(name="duo_chat", default="a", selectable=ALL, is_locked=True)
    found = held(a_choice("b"), feature=locked)
    assert (found.model, found.selectable, found.locked_at) == ("a", frozenset({"a"}), None)


def test_a_locked_instance_without_a_default_leaves_nothing() -> None:
    locked = Feature(name="duo_chat", selectable=ALL, is_locked=True)
    assert held(feature=locked).selectable == frozenset()


def test_without_the_flag_the_instance_decides() -> None:
    found = held(a_choice("b"), may_switch=False)
    assert (found.model, found.selectable, found.is_locked) == ("a", frozenset({"a"}), True)


def test_a_disabled_feature_has_nothing() -> None:
    off = Feature(name="duo_chat", default="a", selectable=ALL, is_disabled=True)
    assert held(a_choice("b"), feature=off) == NOTHING
