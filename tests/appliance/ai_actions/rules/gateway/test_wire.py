import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.ai_actions.rules.gateway import wire
from appliance.ai_actions.rules.gateway.answers import Cut, Failed, TextDelta, ToolCall
from appliance.ai_actions.rules.gateway.wire import (
    Lines,
    UnreadableLineError,
    read_cuts,
    read_event,
    read_prompt_line,
)


@given(st.lists(st.binary(max_size=20).filter(lambda part: b"\r" not in part), max_size=20))
def test_any_split_gives_the_same_lines(parts: list[bytes]) -> None:
    lines = Lines()
    found = [line for part in parts for line in lines.feed(part)]
    found += lines.finish()
    assert found == [line for line in b"".join(parts).split(b"\n") if line.strip()]


def test_a_line_without_an_end_is_refused() -> None:
    lines = Lines()
    assert not list(lines.feed(b"x" * wire.MAX_LINE_BYTES))
    with pytest.raises(UnreadableLineError):
        lines.feed(b"x")


def test_a_part_of_a_prompts_answer() -> None:
    assert read_prompt_line(b'{"content": "Hi"}').content == "Hi"
    last = read_prompt_line(b'{"content":"","usage":{"tiny":{"input_tokens":1}}}')
    assert (last.content, last.usage) == ("", {"tiny": {"input_tokens": 1}})


@pytest.mark.parametrize("line", [b"", b"Hi", b"[]", b'{"content": 3}', b"\xff", b"[" * 100_000])
def test_what_is_no_line_is_refused(line: bytes) -> None:
    with pytest.raises(UnreadableLineError):
        read_prompt_line(line)
    with pytest.raises(UnreadableLineError):
        read_event(line)


def _event(kind: str, **data: Any) -> bytes:
    return json.dumps({"type": kind, "data": data}).encode()


@pytest.mark.parametrize(
    ("line", "event"),
    [
        (_event("final_answer_delta", text="Hi"), TextDelta(text="Hi")),
        (_event("unknown", text="Hi"), TextDelta(text="Hi")),
        (_event("of a later release", text="Hi"), TextDelta(text="")),
        (_event("final_answer_delta", text=3), TextDelta(text="")),
        (
            _event("action", tool="issue_reader", tool_input="#1", thought="look"),
            ToolCall(tool="issue_reader", tool_input="#1", thought="look"),
        ),
        (_event("error", message="No", retryable=True), Failed(message="No", is_retryable=True)),
        (_event("error", message="No"), Failed(message="No")),
        (_event("usage", usage={}), None),
    ],
)
def test_an_event_of_a_conversation(line: bytes, event: object) -> None:
    assert read_event(line) == event


def test_what_was_cut_stands_in_a_header() -> None:
    assert read_cuts("diff=100/2500, title=1/3") == (
        Cut(input="diff", kept=100, whole=2500),
        Cut(input="title", kept=1, whole=3),
    )
    assert read_cuts("") == read_cuts("diff, =1/2, a=x/1, b=1") == ()
