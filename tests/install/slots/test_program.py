from collections.abc import Callable

import pytest

from install.places import Places
from install.slots.program import Program, ProgramError

Calls = Callable[[], list[str]]
Wish = Callable[[dict[str, object]], None]


@pytest.fixture
def program(two_slots: Places, lock: int) -> Program:
    return Program(places=two_slots, folder=two_slots.slots / "a", lock=lock)


def test_what_it_says_last_is_its_answer(program: Program, wish_for: Wish) -> None:
    wish_for({"a install.cli up": {"say": {"answer": "yes"}}})
    heard: list[str] = []
    assert program.up(["--tls"], say=heard.append) == {"answer": "yes"}
    assert heard == ["a step of a install.cli up"]


def test_its_failure_has_its_code_and_words(program: Program, wish_for: Wish) -> None:
    wish_for({"a install.cli up": {"fail": "service_not_ready"}})
    with pytest.raises(ProgramError, match="it was wished for") as caught:
        program.up()
    assert caught.value.code == "service_not_ready"


def test_a_failure_without_words_has_the_exit_code(program: Program) -> None:
    program.python.write_text("#!/bin/sh\nexit 7\n")
    with pytest.raises(ProgramError, match="exit code 7") as caught:
        program.down()
    assert caught.value.code == "program_failed"


def test_it_is_told_by_its_standard_input(program: Program) -> None:
    told = program.call(["audit", "record"], module="install.local_work", stdin='{"a": 1}')
    assert told == {"stdin": '{"a": 1}'}


def test_words_that_are_no_json_are_no_answer(program: Program) -> None:
    program.python.write_text("#!/bin/sh\necho hello\n")
    assert program.call(["version"]) == {}


def test_a_half_made_program_is_not_there(program: Program) -> None:
    assert program.is_there
    (program.folder / "services" / "stamp.json").unlink()
    assert not program.is_there
