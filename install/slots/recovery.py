"""Mends a change of slots that was cut: finishes it once accepted, else reverts it."""

from collections.abc import Callable

from install.bundle import pins
from install.bundle.pins import Pin
from install.places import Places
from install.slots import journal as journals
from install.slots import receipts, switching
from install.slots.journal import Attempt, Journal
from install.slots.switching import Switch

CUT = "The change was cut before the new release was accepted."


def recover(
    places: Places, *, lock: int, say: Callable[[str], None], starts: bool = True
) -> str | None:
    """Brings the home to one release, and starts that; a sentence on it, None with nothing to do.

    Without `starts` it only sees to what a start will find: the pointer, the settings, the journal.
    The home's `lock` is held by whoever calls.

    Raises:
        NotRevertedError: the release before does not start.
        InstallError: the new one, which had been accepted, does not.
    """
    journal = Journal(places)
    attempt = journal.open_attempt()
    if attempt is None:
        return None
    switch = switching.resumed(places, journal, attempt, lock=lock)
    if attempt.did(journals.ACCEPTED):
        if starts:
            switch.program(attempt.goal).up(say=say)
        finish(places, journal, attempt)
        return "The change had been accepted; it is finished now."
    if not attempt.did(journals.SWITCHING):
        journal.note(attempt.number, journals.ABANDONED)
        return "A change was cut before it touched what runs; it can be begun again."
    if starts:
        switch.revert(CUT, say=say)
    else:
        _put_back(switch)
    return "A change was cut; what was before is in use again."


def _put_back(switch: Switch) -> None:
    switch.put_config_back()
    switching.point(switch.places, switch.origin)
    switch.journal.note(switch.number, journals.REVERTED, reason=CUT)


def finish(places: Places, journal: Journal, attempt: Attempt) -> None:
    """Whom to trust from now on, the receipt, and the journal's last line."""
    new_pin = attempt.facts.get("new_pin")
    if new_pin:
        pins.write(places.trust, Pin(**new_pin))
    receipts.write(places, attempt)
    journal.note(attempt.number, journals.FINISHED)
