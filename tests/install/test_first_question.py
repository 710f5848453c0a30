import io
from collections.abc import Callable

import pytest

from install.config import Config
from install.first_question import ask_first
from install.places import Places
from install.progress import Display


@pytest.fixture
def display() -> Display:
    return Display(io.StringIO(), live=False, colour=False)


def test_who_may_ask_gets_an_answer(
    parts_running: Places, config: Config, display: Display
) -> None:
    asked = ask_first(parts_running, config, "m", display=display)
    assert asked.answer
    assert asked.answer.text == "A network joins computers."
    assert (asked.refusal, asked.is_demo_licence) == (None, True)


def test_who_may_not_is_told_why_and_nothing_is_asked(
    parts_running: Places, config: Config, display: Display, wish: Callable[..., None]
) -> None:
    wish(unlicensed=True, gateway_refuses="would fail")
    asked = ask_first(parts_running, config, "m", display=display)
    assert (asked.answer, asked.refusal) == (None, "Nothing is bought.")


def test_a_model_that_is_not_there_yet_is_asked_all_the_same(
    parts_running: Places, config: Config, display: Display, wish: Callable[..., None]
) -> None:
    wish(explained="model_unavailable")
    assert ask_first(parts_running, config, "m", display=display).answer
