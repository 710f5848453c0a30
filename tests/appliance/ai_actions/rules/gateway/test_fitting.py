from hypothesis import given
from hypothesis import strategies as st

from appliance.ai_actions.rules.gateway.answers import Cut
from appliance.ai_actions.rules.gateway.fitting import (
    MAX_ASIDE_CHARS,
    MAX_INPUT_CHARS,
    MAX_PARTS,
    MIN_PART_CHARS,
    NOTES_APART,
    aside,
    bounded,
    in_parts,
    last_of,
    lines_between,
    part_chars,
    told,
    told_of_parts,
    with_note,
)


@given(st.lists(st.text(max_size=60), max_size=40), st.integers(5, 100))
def test_parts_hold_every_character_in_its_order(texts: list[str], limit: int) -> None:
    parts, left_out = in_parts(texts, limit=limit)
    assert len(parts) <= MAX_PARTS
    assert all(0 < len(part) <= limit for part in parts)
    said, kept = "".join(texts), "".join(parts).replace(NOTES_APART, "")
    if not left_out:
        assert kept == said.replace(NOTES_APART, "")


def test_texts_that_fit_together_stay_together() -> None:
    assert in_parts(["a" * 4, "b" * 4, "c" * 4], limit=10) == (["aaaa\n\nbbbb", "cccc"], 0)


def test_a_long_text_goes_on_in_the_next_part() -> None:
    assert in_parts(["a" * 25], limit=10) == (["a" * 10, "a" * 10, "a" * 5], 0)


def test_of_too_many_parts_those_in_the_middle_are_left_out() -> None:
    texts = [f"{number:010}" for number in range(MAX_PARTS + 2)]
    assert in_parts(texts, limit=10) == ([texts[0], *texts[3:]], 20)


def test_a_part_is_a_little_shorter_than_what_fitted_and_never_tiny() -> None:
    assert part_chars(10_000) == 9_000
    assert part_chars(1) == MIN_PART_CHARS


def test_what_is_sent_has_an_end() -> None:
    text = "a" + "b" * MAX_INPUT_CHARS
    assert len(bounded(text)) == len(last_of(text)) == MAX_INPUT_CHARS
    assert (bounded(text)[0], last_of(text)[0]) == ("a", "b")
    assert len(aside(text)) == MAX_ASIDE_CHARS


def test_lines_are_counted_from_one() -> None:
    text = "one\ntwo\nthree"
    assert lines_between(text, 2, 3) == "two\nthree"
    assert lines_between(text, 2, None) == lines_between(text, 2, 1) == "two"
    assert lines_between(text, 4, 5) == lines_between(text, None, 2) == text


def test_the_user_is_told_what_the_model_was_not() -> None:
    diff = Cut(input="diff", kept=1_000, whole=2_500)
    other = Cut(input="some_thing", kept=1, whole=2)
    assert told([diff, other]) == (
        "Not everything fitted the model, which was told only a part of the changes (1,000 of "
        "2,500 characters) and some thing (1 of 2 characters)."
    )
    assert told([Cut(input="diff", kept=5, whole=5)]) == told([]) == ""


def test_a_summary_of_parts_says_so() -> None:
    assert told_of_parts(3, lost=0, whole=9).endswith("summed up in 3 parts.")
    assert told_of_parts(8, lost=7, whole=9).endswith("; 7 of its 9 characters found no place.")


def test_a_note_is_set_apart_in_a_last_line() -> None:
    assert with_note("Answer\n", "Note.") == "Answer\n\n*Note.*"
    assert with_note("Answer\n", "") == "Answer\n"
