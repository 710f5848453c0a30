import pytest

from gateway.contract.selection import Choice, Feature
from tests.appliance.model_selection.rules.builders import CHAT, a_place

OFFER = Feature(name=CHAT, default="a", selectable=frozenset("abc"))
LOCKED = Feature(name=CHAT, default="a", selectable=frozenset("abc"), is_locked=True)


def test_what_holds_above_is_what_a_group_chooses_from() -> None:
    said = {1: Choice(CHAT, "b", narrowed_to=frozenset("bc")), 2: Choice(CHAT, "c")}
    place = a_place("lab", "ai", offer=OFFER, said=said)
    assert (place.above(CHAT).model, place.here(CHAT).model) == ("b", "c")
    assert place.above(CHAT).selectable == {"b", "c"}
    assert place.own_choice(CHAT) == said[2]
    level = place.level(CHAT)
    assert level is not None
    assert (level.id, level.full_path) == (2, "lab/ai")


def test_above_the_top_of_a_tree_is_the_instance() -> None:
    place = a_place("lab", offer=OFFER)
    assert place.above(CHAT).selectable == OFFER.selectable
    assert place.level(CHAT) is None
    assert (place.name_of(None), place.name_of(1)) == ("the instance", "the group lab")


@pytest.mark.parametrize(
    ("ref", "level"), [("d", "the instance"), ("a", "the group lab"), ("b", "the group lab/ai")]
)
def test_the_highest_level_that_narrows_is_named(ref: str, level: str) -> None:
    said = {
        1: Choice(CHAT, "b", narrowed_to=frozenset("bc")),
        2: Choice(CHAT, "c", narrowed_to=frozenset("c")),
    }
    place = a_place("lab", "ai", "leaf", offer=OFFER, said=said)
    assert place.narrowed_by(CHAT, ref) == level


@pytest.mark.parametrize(
    ("offer", "locked", "may_switch", "who"),
    [
        (OFFER, False, True, "owners of lab/ai"),
        (OFFER, True, True, "owners of lab"),
        (OFFER, True, False, "instance admin"),
        (Feature(name=CHAT, is_disabled=True), True, True, "instance admin"),
        (LOCKED, False, True, "instance admin"),
    ],
)
def test_who_may_change_it_is_whoever_decides(
    offer: Feature, locked: bool, may_switch: bool, who: str
) -> None:
    said = {1: Choice(CHAT, "a", is_locked=locked)}
    place = a_place("lab", "ai", offer=offer, said=said, may_switch=may_switch)
    assert place.may_change_by(CHAT) == who
