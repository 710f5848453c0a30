"""How much of a conversation a model is told again."""

from hypothesis import given
from hypothesis import strategies as st

from appliance.ai_actions.rules.chat.history import (
    LEAST_TOKENS,
    MAX_TURNS,
    Turn,
    budget_of,
    estimated_tokens,
    messages_of,
    window,
)


def turn(number: int, chars: int = 30) -> Turn:
    return Turn(question=f"q{number}".ljust(chars), answer=f"a{number}".ljust(chars))


def test_the_newest_are_kept_in_order() -> None:
    turns = [turn(number) for number in range(5)]
    assert window(turns, budget=2 * turn(0).tokens) == turns[3:]


def test_one_that_does_not_fit_ends_it() -> None:
    turns = [turn(0), turn(1, 3_000), turn(2)]
    assert window(turns, budget=100) == turns[2:]


def test_there_are_never_too_many() -> None:
    assert len(window([turn(0)] * 100, budget=10**9)) == MAX_TURNS


def test_a_small_model_is_told_something() -> None:
    assert budget_of(2_048) == LEAST_TOKENS
    assert budget_of(128_000) == 32_000


def test_what_is_not_ascii_counts_more() -> None:
    assert estimated_tokens("ü" * 30) > 2 * estimated_tokens("u" * 30)


def test_each_turn_is_a_question_and_an_answer() -> None:
    said = messages_of([Turn(question="q", answer="a")])
    assert said == [{"role": "user", "content": "q"}, {"role": "assistant", "content": "a"}]


@given(st.lists(st.integers(0, 400), max_size=40), st.integers(0, 2_000))
def test_what_is_kept_fits_and_is_the_end_of_what_was_said(lengths: list[int], budget: int) -> None:
    turns = [turn(number, length) for number, length in enumerate(lengths)]
    kept = window(turns, budget=budget)
    assert sum(each.tokens for each in kept) <= budget
    assert list(kept) == turns[len(turns) - len(kept) :]
