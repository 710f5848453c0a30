from collections.abc import Callable

import pytest

from install.places import Places
from install.slots import journal as journals
from install.slots import receipts, recovery, switching
from install.slots.journal import Journal
from install.slots.switching import NotRevertedError, Switch
from tests.install.slots.conftest import the_pointer

Calls = Callable[[], list[str]]
Wish = Callable[[dict[str, object]], None]

SWITCHED = (journals.SWITCHING, journals.STOPPED, journals.POINTED, journals.STARTED)


def quietly(_line: str) -> None:
    pass


def cut_after(change: Switch, steps: tuple[str, ...]) -> None:
    """What a kill leaves behind after these steps."""
    for step in steps:
        change.journal.note(change.number, step)
    if journals.POINTED in steps:
        switching.point(change.places, change.goal)


def test_a_home_without_an_attempt_needs_no_mending(places: Places, lock: int) -> None:
    assert recovery.recover(places, lock=lock, say=quietly) is None


def test_what_touched_nothing_is_given_up(change: Switch, calls: Calls) -> None:
    cut_after(change, (journals.VERIFIED, journals.SLOT))
    told = recovery.recover(change.places, lock=change.lock, say=quietly)
    assert told is not None
    assert calls() == []
    assert Journal(change.places).open_attempt() is None


@pytest.mark.parametrize("count", range(1, len(SWITCHED) + 1))
def test_what_was_cut_before_acceptance_is_put_back(
    change: Switch, calls: Calls, count: int
) -> None:
    cut_after(change, SWITCHED[:count])
    recovery.recover(change.places, lock=change.lock, say=quietly)
    assert str(the_pointer(change.places)) == "slots/a"
    assert calls()[-1] == "a install.cli up"
    assert change.journal.attempts()[-1].steps[-1] == journals.REVERTED
    assert recovery.recover(change.places, lock=change.lock, say=quietly) is None


def test_what_was_accepted_is_finished(change: Switch, calls: Calls) -> None:
    cut_after(change, (*SWITCHED, journals.ACCEPTED))
    recovery.recover(change.places, lock=change.lock, say=quietly)
    assert str(the_pointer(change.places)) == "slots/b"
    assert calls() == ["b install.cli up"]
    assert [each["release"] for each in receipts.read_all(change.places)] == ["0.2.0"]


def test_a_first_install_that_was_cut_leaves_nothing_in_use(
    two_slots: Places, lock: int, calls: Calls
) -> None:
    journal = Journal(two_slots)
    number = journal.begin("apply", origin=None, goal="slots/b", facts={"release": "0.2.0"})
    for step in SWITCHED:
        journal.note(number, step)
    switching.point(two_slots, "slots/b")
    recovery.recover(two_slots, lock=lock, say=quietly)
    assert the_pointer(two_slots) is None
    assert calls() == ["b install.cli down"]


def test_before_a_boot_nothing_is_started(change: Switch, calls: Calls) -> None:
    cut_after(change, SWITCHED)
    recovery.recover(change.places, lock=change.lock, say=quietly, starts=False)
    assert str(the_pointer(change.places)) == "slots/a"
    assert calls() == []
    assert Journal(change.places).open_attempt() is None


def test_before_a_boot_what_was_accepted_stays(change: Switch, calls: Calls) -> None:
    cut_after(change, (*SWITCHED, journals.ACCEPTED))
    recovery.recover(change.places, lock=change.lock, say=quietly, starts=False)
    assert str(the_pointer(change.places)) == "slots/b"
    assert calls() == []


def test_what_does_not_start_can_be_mended_later(change: Switch, wish_for: Wish) -> None:
    cut_after(change, SWITCHED)
    wish_for({"a install.cli up": {"fail": "model_failed"}})
    with pytest.raises(NotRevertedError):
        recovery.recover(change.places, lock=change.lock, say=quietly)
    wish_for({})
    assert recovery.recover(change.places, lock=change.lock, say=quietly) is not None
    assert str(the_pointer(change.places)) == "slots/a"
