import pytest

from install.places import Places
from install.slots import slot, switching
from install.slots.slot import SlotDamagedError
from tests.install.slots.conftest import a_slot


def test_what_was_written_is_read(places: Places) -> None:
    facts = a_slot(places, "a")
    assert slot.read(places.slots / "a") == facts


def test_a_half_made_slot_is_none(places: Places) -> None:
    a_slot(places, "a")
    (places.slots / "a" / slot.FACTS).unlink()
    assert slot.read(places.slots / "a") is None


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"models": [{}]}', "\0"])
def test_facts_that_are_none_say_what_to_do(places: Places, text: str) -> None:
    a_slot(places, "a")
    (places.slots / "a" / slot.FACTS).write_text(text)
    with pytest.raises(SlotDamagedError, match="apply the bundle again"):
        slot.read(places.slots / "a")


def test_slots_take_turns(places: Places) -> None:
    facts = a_slot(places, "a")
    assert slot.other(places) == places.slots / "a"
    switching.point(places, "slots/a")
    assert slot.other(places) == places.slots / "b"
    assert slot.current(places) == facts
    switching.point(places, "slots/b")
    assert slot.other(places) == places.slots / "a"


def test_a_damaged_slot_counts_as_none_where_it_is_made_anew(places: Places) -> None:
    facts = a_slot(places, "a")
    assert slot.whole(places.slots / "a") == facts
    (places.slots / "a" / slot.FACTS).write_text("")
    assert slot.whole(places.slots / "a") is None
