import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.prompts.windows import answer_tokens, estimated_tokens, smaller


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", 0),
        ("a" * 16, 5),
        ("A" * 16, 10),
        ("2026", 4),
        ("{}()[];," * 2, 14),
        (" " * 16, 3),
        ("\n" * 4, 3),
        ("ü", 1),
        ("日本", 3),
        ("😀", 2),
        ("\x1b", 0),
    ],
)
def test_what_takes_more_tokens_is_counted_higher(text: str, tokens: int) -> None:
    assert estimated_tokens(text) == tokens


@given(st.text(), st.text())
def test_parts_are_never_estimated_below_the_whole(first: str, second: str) -> None:
    whole = estimated_tokens(first + second)
    assert whole <= estimated_tokens(first) + estimated_tokens(second) <= whole + 1


def test_half_a_character_is_counted_and_breaks_nothing() -> None:
    assert estimated_tokens("\ud800") == 1


def test_an_answer_leaves_most_of_a_small_window_to_the_question() -> None:
    assert answer_tokens(2048, window_tokens=128_000) == 2048
    assert answer_tokens(2048, window_tokens=2048) == 682
    assert answer_tokens(16, window_tokens=1) == 1


def test_each_further_try_has_a_smaller_window() -> None:
    assert 0 < smaller(smaller(8_000)) < smaller(8_000) < 8_000
