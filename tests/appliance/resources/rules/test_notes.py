import pytest

from appliance.errors import InvalidFieldsError
from appliance.namespaces.rules import AccessLevel
from appliance.resources.errors import TooManyNotesError
from appliance.resources.rules.notes import (
    MAX_NOTES,
    MAX_NOTES_CHARS,
    Volume,
    check_body,
    check_room,
    sees_note,
)
from tests.appliance.resources.builders import a_note, a_place


def test_an_internal_note_is_for_reporters_even_when_it_is_ones_own() -> None:
    guest, reporter = a_place(level=AccessLevel.GUEST), a_place(level=AccessLevel.REPORTER)
    internal = a_note(is_internal=True, author_id=7)
    assert not sees_note(guest, internal)
    assert sees_note(reporter, internal)
    assert sees_note(guest, a_note())


def test_something_must_be_said() -> None:
    check_body("a")
    for body in (None, "", " "):
        with pytest.raises(InvalidFieldsError, match="note: "):
            check_body(body, field_name="note")


@pytest.mark.parametrize(
    ("said", "more", "fits"),
    [
        (Volume(notes=MAX_NOTES - 1, chars=0), Volume(notes=1, chars=9), True),
        (Volume(notes=MAX_NOTES, chars=0), Volume(notes=1, chars=9), False),
        (Volume(notes=1, chars=MAX_NOTES_CHARS - 9), Volume(notes=0, chars=9), True),
        (Volume(notes=1, chars=MAX_NOTES_CHARS - 9), Volume(notes=0, chars=10), False),
        (Volume(notes=MAX_NOTES + 1, chars=0), Volume(notes=0, chars=0), True),
    ],
)
def test_there_is_room_for_as_much_as_an_action_reads(
    said: Volume, more: Volume, *, fits: bool
) -> None:
    if fits:
        check_room(said, more=more)
    else:
        with pytest.raises(TooManyNotesError, match="5000 notes"):
            check_room(said, more=more)
