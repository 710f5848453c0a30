import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.prompts.thinking import ThoughtFilter
from tests.gateway.prompts.builders import cuttings


def filtered(*pieces: str) -> str:
    thoughts = ThoughtFilter()
    return "".join(thoughts.feed(each) for each in pieces) + thoughts.finish()


@pytest.mark.parametrize(
    ("answer", "shown"),
    [
        ("Hello", "Hello"),
        ("  \n Hello ", "Hello "),
        ("<think>hm\n</think>\n\nHello <think>", "Hello <think>"),
        ("<think></think><think>a</think> b", "b"),
        ("\n<think>never ends", ""),
        ("<thi", "<thi"),
        ("<table>", "<table>"),
        ("", ""),
        ("<think></think>" * 5_000 + "x", "x"),
    ],
)
def test_thoughts_at_the_start_are_left_out_and_nothing_else(answer: str, shown: str) -> None:
    assert filtered(answer) == shown


@given(
    answer=st.lists(st.sampled_from(["<think>", "</think>", "<", "think>", "a", " ", "\n"])).map(
        "".join
    ),
    data=st.data(),
)
def test_how_an_answer_is_split_does_not_matter(answer: str, data: st.DataObject) -> None:
    assert filtered(*data.draw(cuttings(answer))) == filtered(answer)


def test_what_is_held_back_of_thoughts_is_bounded() -> None:
    thoughts = ThoughtFilter()
    for _ in range(1_000):
        thoughts.feed("<think>" + "a" * 100)
    assert len(thoughts._held) < 200
