import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.prompts.cutting import MIN_KEPT_TOKENS, Cut, Piece, fitted, shortened
from gateway.prompts.template import Fits
from gateway.prompts.windows import estimated_tokens

LINES = "".join(f"line number {index} of the text\n" for index in range(100))
MARK = "left out here ...]"


def a_piece(text: str, *, name: str = "code", fits: Fits = "cut_end") -> Piece:
    return Piece(name=name, text=text, fits=fits)


def test_what_fits_is_left_whole() -> None:
    assert fitted([a_piece("a"), a_piece("b")], room_tokens=2) == (["a", "b"], [])
    assert fitted([], room_tokens=0) == ([], [])


@pytest.mark.parametrize(
    ("fits", "first", "last"),
    [
        ("cut_end", "line number 0 ", MARK),
        ("cut_start", "[... ", "line number 99 of the text"),
        ("cut_middle", "line number 0 ", "line number 99 of the text"),
    ],
)
def test_a_text_is_cut_where_it_may_be_and_between_lines(fits: Fits, first: str, last: str) -> None:
    text, kept = shortened(LINES, fits, tokens=200)
    assert text.startswith(first)
    assert text.rstrip().endswith(last)
    shown = [line for line in text.splitlines() if MARK not in line]
    assert all(f"{line}\n" in LINES for line in shown)
    assert f"[... {len(LINES) - kept:,} characters left out here ...]" in text
    assert 0.8 * 200 < estimated_tokens(text) <= 200


def test_a_single_endless_line_is_cut_within() -> None:
    text, kept = shortened("word " * 10_000, "cut_end", tokens=100)
    assert kept > 100
    assert estimated_tokens(text) <= 100


def test_the_longest_is_cut_first() -> None:
    small, large = a_piece("word " * 50, name="small"), a_piece(LINES, name="large")
    fit = fitted([large, small], room_tokens=300)
    assert fit is not None
    texts, cuts = fit
    assert texts[1] == small.text
    assert [each.input for each in cuts] == ["large"]
    assert cuts[0].whole == len(LINES)


def test_what_may_not_be_cut_is_whole_or_there_is_no_room() -> None:
    fixed, cuttable = a_piece(LINES, fits="never"), a_piece(LINES, name="other")
    size = estimated_tokens(LINES)
    fit = fitted([fixed, cuttable], room_tokens=size + 100)
    assert fit is not None
    assert fit[0][0] == LINES
    assert [each.input for each in fit[1]] == ["other"]
    assert fitted([fixed, cuttable], room_tokens=size) is None


def test_so_little_that_it_says_nothing_is_no_room() -> None:
    assert fitted([a_piece(LINES)], room_tokens=MIN_KEPT_TOKENS - 1) is None
    assert fitted([a_piece(LINES)], room_tokens=MIN_KEPT_TOKENS) is not None


@given(
    texts=st.lists(st.text(max_size=30).map(lambda text: text * 20), max_size=4),
    room=st.integers(min_value=0, max_value=500),
    fits=st.sampled_from(["cut_end", "cut_start", "cut_middle"]),
)
def test_what_comes_back_always_fits(texts: list[str], room: int, fits: Fits) -> None:
    pieces = [a_piece(text, name=str(index), fits=fits) for index, text in enumerate(texts)]
    fit = fitted(pieces, room_tokens=room)
    if fit is None:
        return
    assert sum(map(estimated_tokens, fit[0])) <= max(room, 0)
    assert all(cut.kept < cut.whole for cut in fit[1])
    whole = {str(index) for index in range(len(texts))} - {cut.input for cut in fit[1]}
    assert all(fit[0][int(index)] == texts[int(index)] for index in whole)


def test_a_cut_says_how_much_is_left() -> None:
    fit = fitted([a_piece(LINES)], room_tokens=100)
    assert fit is not None
    text, cut = fit[0][0], fit[1][0]
    assert cut == Cut(input="code", kept=cut.kept, whole=len(LINES))
    assert LINES[: cut.kept].rstrip("\n") == text[: text.index("\n[...")]
