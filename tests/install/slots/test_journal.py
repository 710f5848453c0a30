from pathlib import Path

import pytest

from install.places import Places
from install.slots import journal as journals
from install.slots.journal import Journal, JournalDamagedError


def a_begun(places: Places) -> tuple[Journal, int]:
    journal = Journal(places)
    return journal, journal.begin("apply", origin=None, goal="slots/a", facts={"release": "1.0.0"})


def journal_file(places: Places) -> Path:
    return places.slots / "journal.jsonl"


def test_an_attempt_is_open_until_it_ends(places: Places) -> None:
    journal, number = a_begun(places)
    journal.note(number, journals.VERIFIED)
    found = journal.open_attempt()
    assert found is not None
    assert found.did(journals.VERIFIED)
    assert not found.did(journals.SWITCHING)
    journal.note(number, journals.FINISHED)
    assert journal.open_attempt() is None


@pytest.mark.parametrize("end", [journals.REVERTED, journals.ABANDONED])
def test_what_was_put_back_or_given_up_is_not_open(places: Places, end: str) -> None:
    journal, number = a_begun(places)
    journal.note(number, end)
    assert journal.open_attempt() is None


def test_numbers_go_on(places: Places) -> None:
    journal, first = a_begun(places)
    journal.note(first, journals.ABANDONED)
    assert journal.begin("rollback", origin="slots/a", goal="slots/b", facts={}) == first + 1


def test_a_home_without_a_journal_has_no_attempts(places: Places) -> None:
    assert Journal(places).attempts() == ()
    assert Journal(places).open_attempt() is None


@pytest.mark.parametrize("cut", range(1, 40, 7))
def test_a_line_that_power_cut_is_as_if_it_had_not_begun(places: Places, cut: int) -> None:
    journal, number = a_begun(places)
    whole = journal_file(places).read_bytes()
    journal.note(number, journals.VERIFIED)
    journal_file(places).write_bytes(journal_file(places).read_bytes()[: len(whole) + cut])
    found = journal.open_attempt()
    assert found is not None
    assert found.steps == (journals.BEGAN,)
    journal.note(number, journals.FIT)
    again = journal.open_attempt()
    assert again is not None
    assert again.steps == (journals.BEGAN, journals.FIT)


def test_a_line_that_no_cut_explains_is_refused(places: Places) -> None:
    journal, number = a_begun(places)
    journal_file(places).write_bytes(b"{half\n" + journal_file(places).read_bytes())
    journal.note(number, journals.FIT)
    with pytest.raises(JournalDamagedError, match="Line 1 "):
        journal.attempts()


def test_nobody_else_reads_it(places: Places) -> None:
    a_begun(places)
    assert journal_file(places).stat().st_mode & 0o777 == 0o600


def test_no_number_is_that_of_a_kept_receipt(places: Places) -> None:
    places.receipts.mkdir()
    (places.receipts / "0007-apply.json").touch()
    (places.receipts / "notes.json").touch()
    journal = Journal(places)
    assert journal.begin("apply", origin=None, goal="slots/a", facts={}) == 8
    assert journal.begin("apply", origin=None, goal="slots/a", facts={}) == 9
