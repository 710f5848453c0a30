import time

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from gateway.prompts.agent.answers import (
    MAX_CALL,
    MAX_HELD,
    MAX_TOOL_INPUT,
    AgentEvent,
    AgentParser,
    TextDelta,
    ToolCall,
    UnknownTool,
)
from tests.gateway.prompts.builders import cuttings

TOOLS = ("issue_reader", "gitlab_documentation")
PARTS = [
    "Thought:",
    "Action:",
    "Action Input:",
    "Final Answer:",
    "Observation:",
    "**Final Answer:**",
    " issue_reader",
    " other_reader",
    " None",
    "<think>",
    "</think>",
    "\n",
    " ",
    "**",
    "a: b",
    "#12",
    "x" * 90,
]
ANSWERS = st.lists(st.sampled_from(PARTS), max_size=14).map("".join)


def read(*pieces: str, tools: tuple[str, ...] = TOOLS) -> list[AgentEvent]:
    """The events of an answer that came in these pieces, with the text in one."""
    parser = AgentParser(tools)
    events = [event for each in pieces for event in parser.feed(each)] + parser.finish()
    text = "".join(each.text for each in events if isinstance(each, TextDelta))
    others = [each for each in events if not isinstance(each, TextDelta)]
    return [*([TextDelta(text=text)] if text else []), *others]


@pytest.mark.parametrize(
    ("answer", "text"),
    [
        ("Final Answer: Hello **you**.\n", "Hello **you**.\n"),
        ("Final Answer:\n\n- a\n- b", "- a\n- b"),
        ("final answer : Hello", "Hello"),
        ("**Final Answer:** **Hello**", "**Hello**"),
        ("**Final Answer**: **Hello**", "**Hello**"),
        ("### Final Answer: Hello", "Hello"),
        ("Thought: I know.\nFinal Answer: Hello", "Hello"),
        ("Thought: I know. Action: none\nAction: None\nFinal Answer: Hello", "Hello"),
        ("I know.\nFinal Answer: Hello", "Hello"),
        ("<think>\nAction: issue_reader\n</think>\nFinal Answer: Hello", "Hello"),
        ("Hello", "Hello"),
        ("Hello\nyou\n", "Hello\nyou"),
        ("Note: this\nAction: it is time to go\n", "Note: this\nAction: it is time to go"),
        ("Steps:\nAction: review\nthe code", "Steps:\nAction: review\nthe code"),
        ("Action: review", "Action: review"),
        ("Action:Thought: review", "Action:Thought: review"),
        ("Action: review\nThought: Hello", "Action: review\n Hello"),
        ("Observation: none", "Observation: none"),
        ("Thought: only that", "only that"),
        (
            "Final Answer: a\nAction: issue_reader\nAction Input: 1",
            "a\nAction: issue_reader\nAction Input: 1",
        ),
        ("Final Answer: *", "*"),
        ("**Final Answer:** *", "*"),
    ],
)
def test_words_are_for_the_user(answer: str, text: str) -> None:
    assert read(answer) == [TextDelta(text=text)]


@pytest.mark.parametrize(
    "answer", ["", " \n", "Final Answer:", "Final Answer:  \n", "Thought:", "<think>hm"]
)
def test_an_answer_that_says_nothing_is_nothing(answer: str) -> None:
    assert read(answer) == []


@pytest.mark.parametrize(
    ("answer", "thought", "tool_input"),
    [
        ("Thought: I need it.\nAction: issue_reader\nAction Input: #12", "I need it.", "#12"),
        ("Thought: I need it.\nAction: issue_reader\nAction Input: #12\n", "I need it.", "#12"),
        ("I need it.\nAction: issue_reader\n\nAction Input: #12", "I need it.", "#12"),
        ("Action: issue_reader\nAction Input: #12\nObservation: it is open", "", "#12"),
        ("Action: issue_reader\nAction Input: #12\nFinal Answer: it is open", "", "#12"),
        ("Action: issue_reader\nAction Input: #12\n\nThought: hm\nAction: other", "", "#12"),
        ("**Thought:** a\n**Action:** `issue_reader`\n**Action Input:** `#12`", "a", "#12"),
        ("action: ISSUE_READER\naction_input: '#12'", "", "#12"),
        ("Action: Issue Reader\nAction Input: a\nb: c", "", "a\nb: c"),
        ("Action: issue_reader(#12)", "", "#12"),
        ("Action: issue_reader[#12]\nObservation: x", "", "#12"),
        ("Action: issue_reader\n#12", "", "#12"),
        ("Action: issue_reader\nAction Input: #12\nAction Input: a", "", "#12\nAction Input: a"),
        ("Action: issue_reader", "", ""),
        ("Action: issue_reader\nFinal Answer: it is open", "", ""),
        ("Action: issue_reader\nAction Input: ```\n#12\n```", "", "#12"),
        (
            "Steps:\nAction: review\nAction: issue_reader\nAction Input: 1",
            "Steps:\nAction: review",
            "1",
        ),
    ],
)
def test_a_tool_is_for_nobodys_eyes(answer: str, thought: str, tool_input: str) -> None:
    assert read(answer) == [ToolCall(thought=thought, tool="issue_reader", tool_input=tool_input)]


@pytest.mark.parametrize(
    "answer",
    [
        "Thought: a\nAction: shell\nAction Input: rm -rf /",
        "Action: shell\nAction Input: rm -rf /",
        "Thought: a\nAction: shell",
        "Thought: a\nAction: shell(rm)",
    ],
)
def test_a_tool_that_was_not_offered_is_named_and_not_called(answer: str) -> None:
    assert read(answer) == [UnknownTool(tool="shell")]


def test_where_nothing_is_offered_nothing_is_called() -> None:
    asked = "Action: issue_reader\nAction Input: 1"
    assert read(asked, tools=()) == [UnknownTool(tool="issue_reader")]


def test_an_answer_is_shown_as_it_comes() -> None:
    parser = AgentParser(TOOLS)
    assert parser.feed("Final Answer: He") == [TextDelta(text="He")]
    assert parser.feed("llo") == [TextDelta(text="llo")]
    formless = AgentParser(TOOLS)
    assert formless.feed("x" * MAX_HELD) == []
    assert formless.feed("y") == [TextDelta(text="x" * MAX_HELD + "y")]


def test_nothing_is_shown_or_called_after_a_call() -> None:
    parser = AgentParser(TOOLS)
    parser.feed("Action: issue_reader\nAction Input: 1\n")
    assert parser.feed("Observation:") == [
        ToolCall(thought="", tool="issue_reader", tool_input="1")
    ]
    assert parser.feed(" made up\nFinal Answer: lies") == []
    assert parser.finish() == []


@pytest.mark.parametrize(
    ("start", "is_call"),
    [
        ("Thought: ", False),
        ("Action: ", False),
        ("Action: shell\n", False),
        ("Action: issue_reader\n\n", True),
        ("Action: issue_reader\nAction Input: ", True),
    ],
)
def test_what_never_ends_is_let_go(start: str, *, is_call: bool) -> None:
    parser = AgentParser(TOOLS)
    events = parser.feed(start + "word " * MAX_CALL)
    assert events
    assert isinstance(events[0], ToolCall) == is_call
    if isinstance(events[0], ToolCall):
        assert len(events[0].tool_input) <= MAX_TOOL_INPUT
    else:
        assert len(parser._line) <= MAX_CALL + 1


def test_blanks_without_end_are_read_in_no_time() -> None:
    started = time.process_time()
    assert read("Final Answer:" + " " * 200_000 + "x") == [TextDelta(text="x")]
    assert read("Action: issue_reader\n" + "\n" * 200_000)
    assert read("Thought: " + "a:" * 100_000)
    assert time.process_time() - started < 5


@given(answer=ANSWERS, data=st.data())
@example(answer="**Final Answer:** **x**", data=None)
def test_how_an_answer_is_split_does_not_matter(answer: str, data: st.DataObject | None) -> None:
    pieces = list(answer) if data is None else data.draw(cuttings(answer))
    assert read(*pieces) == read(answer)


@given(answer=ANSWERS)
def test_an_answer_is_words_or_one_tool_and_never_both(answer: str) -> None:
    assert len(read(answer)) <= 1
