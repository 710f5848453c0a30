import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.upstream.deltas import MAX_ANSWER_CHARS, MAX_EVENT_BYTES, Deltas
from gateway.upstream.usage import Usage


def event(**members: object) -> bytes:
    return b"data: " + json.dumps(members).encode() + b"\n\n"


def words(*texts: str | None) -> bytes:
    return b"".join(event(choices=[{"delta": {"content": text}}]) for text in texts)


USAGE = event(choices=[], usage={"prompt_tokens": 7, "completion_tokens": 3})
DONE = b"data: [DONE]\n\n"
WHOLE = words("one", None, " tw\u00f6") + USAGE + DONE


def test_the_text_is_what_counts() -> None:
    deltas = Deltas(is_stream=True)
    assert deltas.feed(WHOLE) == "one tw\u00f6"
    assert deltas.is_complete
    assert deltas.usage == Usage(7, 3)


@given(st.lists(st.integers(min_value=0, max_value=len(WHOLE)), max_size=8))
def test_however_it_is_split_it_is_the_same(cuts: list[int]) -> None:
    deltas, text, start = Deltas(is_stream=True), "", 0
    for cut in [*sorted(cuts), len(WHOLE)]:
        text += deltas.feed(WHOLE[start:cut])
        start = cut
    assert (text + deltas.finish(), deltas.usage) == ("one tw\u00f6", Usage(7, 3))
    assert deltas.is_done


def test_lines_may_end_as_they_like_and_comments_say_nothing() -> None:
    deltas = Deltas(is_stream=True)
    assert deltas.feed(b": ping\r\n" + words("a").replace(b"\n", b"\r\n") + b"event: x\n") == "a"


def test_nothing_counts_after_the_end() -> None:
    deltas = Deltas(is_stream=True)
    assert deltas.feed(DONE + words("more")) == ""


def test_an_end_may_be_said_by_a_reason_alone() -> None:
    deltas = Deltas(is_stream=True)
    assert deltas.feed(event(choices=[{"delta": {}, "finish_reason": "stop"}])) == ""
    assert deltas.is_complete
    assert not deltas.is_done


def test_a_whole_answer_is_read_at_its_end() -> None:
    deltas = Deltas(is_stream=False)
    choice = {"message": {"content": "hi"}, "finish_reason": "stop"}
    body = json.dumps({"choices": [choice], "usage": {"prompt_tokens": 1}}).encode()
    assert deltas.feed(body[:9]) + deltas.feed(body[9:]) == ""
    assert deltas.finish() == "hi"
    assert deltas.is_complete
    assert deltas.usage == Usage(1, 0)


@pytest.mark.parametrize(
    "line",
    [
        b"data: nonsense\n",
        b"data: \xff\xfe\n",
        b'data: {"choices": 5}\n',
        b'data: {"error": {"message": "out of memory", "code": 500}}\n',
        b"data: " + b"[" * 5000 + b"\n",
        b"data: " + b"x" * (MAX_EVENT_BYTES + 1),
    ],
)
def test_what_is_no_answer_breaks_it(line: bytes) -> None:
    deltas = Deltas(is_stream=True)
    assert deltas.feed(words("a") + line + words("b")) == "a"
    assert deltas.is_broken
    assert deltas.feed(words("c")) == ""


def test_no_error_is_none() -> None:
    deltas = Deltas(is_stream=True)
    assert deltas.feed(event(choices=[{"delta": {"content": "a"}}], error=None)) == "a"


def test_an_answer_without_end_is_none() -> None:
    deltas = Deltas(is_stream=True)
    part = words("x" * 1_000_000)
    for _ in range(MAX_ANSWER_CHARS // 1_000_000 + 1):
        deltas.feed(part)
    assert deltas.is_broken
