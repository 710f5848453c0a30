"""Reads what a model answers in a chat: words for the user, or a tool that it wants to use.

The form is the one that the prompt asks for: lines that begin with `Thought:`, `Action:` and
`Action Input:`, or `Final Answer:`. What follows no form is an answer too.
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from enum import Enum, auto

from gateway.prompts.thinking import ThoughtFilter

# How many characters of an answer without a form are held back, to see whether a tool is asked for
# after a few words; where there are no tools, enough for a label.
MAX_HELD = 200
MAX_HELD_WITHOUT_TOOLS = 24
# What may come before it is certain what the answer is, and how much of it is the tool's input.
MAX_CALL = 12_000
MAX_TOOL_INPUT = 4_000

_MAX_LABEL = 40
_LABEL = re.compile(
    r"[ \t]*([*_#>`]*)[ \t]*(thought|action[ _]?input|action|final[ _]?answer|observation)"
    r"[ \t]*([*_`]*)[ \t]*:",
    re.IGNORECASE,
).fullmatch
# A name alone, or with its input in brackets.
_CALL = re.compile(
    r"[`'\"*\[]*([a-z][a-z0-9_-]{0,63})[`'\"*\]]*(?:[(\[](.*)[)\]])?[.`*]*", re.IGNORECASE
).fullmatch
_NO_TOOL = frozenset({"none", "no", "nothing", "na"})
_AROUND = " \t\r\n`'\"*"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """More of the answer to the user."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The model wants a tool that it was offered; `tool_input` may be empty."""

    thought: str = field(repr=False)
    tool: str
    tool_input: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class UnknownTool:
    """The model wants a tool that it was not offered."""

    tool: str


AgentEvent = TextDelta | ToolCall | UnknownTool


class _State(Enum):
    FORMLESS = auto()
    THINKING = auto()
    NAMING = auto()  # behind `Action:`
    CALLING = auto()  # a tool is named
    INPUT = auto()
    OPENING = auto()  # behind `Final Answer:`
    ANSWER = auto()
    OVER = auto()  # a tool is asked for, and what follows is of no interest


class AgentParser:
    """Takes an answer as it comes, and says what it is as soon as that is certain.

    An answer is either text or one tool, and nothing that belongs to a call is ever text. What is
    decided does not depend on how the answer was split on its way: it is read by the character.
    """

    def __init__(self, tools: Collection[str]) -> None:
        self._tools = {_plain_name(each): each for each in tools}
        self._filter = ThoughtFilter()
        self._state = _State.FORMLESS
        self._length = 0
        self._line = ""
        self._before: list[str] = []  # the lines that are no call: thoughts, or the answer itself
        self._origin = _State.FORMLESS
        self._tool = ""
        self._input: list[str] = []
        self._decoration = ""

    def feed(self, delta: str) -> list[AgentEvent]:
        """What is certain after this piece of the answer."""
        return self._read(self._filter.feed(delta))

    def finish(self) -> list[AgentEvent]:
        """What is certain now that the answer is over."""
        events = self._read(self._filter.finish())
        if self._state not in {_State.OPENING, _State.ANSWER, _State.OVER} and self._line:
            self._end_line()
        match self._state:
            case _State.FORMLESS | _State.THINKING | _State.NAMING:
                events += self._as_text()
            case _State.CALLING:
                is_call = self._is_known() or self._origin is _State.THINKING
                events += self._call() if is_call else self._as_text()
            case _State.INPUT:
                events += self._call()
            case _State.OPENING:
                events += _text(self._line.strip())
            case _State.ANSWER | _State.OVER:
                pass
        self._state = _State.OVER
        return events

    def _read(self, text: str) -> list[AgentEvent]:
        for index, char in enumerate(text):
            if self._state is _State.ANSWER:
                return _text(text[index:])
            if self._state is _State.OVER:
                break
            events = self._open(char) if self._state is _State.OPENING else self._take(char)
            if events:
                return [_continued(each, text[index + 1 :]) for each in events]
        return []

    def _take(self, char: str) -> list[AgentEvent]:
        self._line += char
        self._length += 1
        if char == ":" and len(self._line) <= _MAX_LABEL:
            label = _LABEL(self._line)
            if label is not None:
                return self._labelled(label)
        if char == "\n":
            self._end_line()
        return self._bounded()

    def _labelled(self, label: re.Match[str]) -> list[AgentEvent]:
        """A label that means nothing where it stands is left in its line."""
        word = label[2].lower().replace(" ", "").replace("_", "")
        if self._state is _State.CALLING and word != "actioninput" and not self._is_known():
            self._state = self._origin
        match self._state:
            case _State.FORMLESS | _State.THINKING:
                self._begin(word, label)
            case _State.CALLING if word == "actioninput":
                self._state, self._line = _State.INPUT, ""
            case _State.CALLING | _State.INPUT if word != "actioninput":
                self._line = ""
                return self._call()
            case _:
                pass
        return []

    def _begin(self, word: str, label: re.Match[str]) -> None:
        if word == "thought":
            self._state, self._line = _State.THINKING, ""
        elif word == "action":
            self._origin, self._state = self._state, _State.NAMING
            self._before.append(self._line)
            self._line = ""
        elif word == "finalanswer":
            # What was opened before the label may be closed after it.
            self._decoration = "" if label[3] else label[1].strip("#>")
            self._state, self._line = _State.OPENING, ""

    def _end_line(self) -> None:
        line, self._line = self._line, ""
        match self._state:
            case _State.NAMING:
                self._name(line)
            case _State.INPUT:
                self._input.append(line)
            case _State.CALLING if not line.strip():
                pass
            case _State.CALLING if self._is_known():
                # Its input, without the label.
                self._input.append(line)
                self._state = _State.INPUT
            case _State.CALLING:
                self._before.append(line)
                self._state = self._origin
            case _:
                self._before.append(line)

    def _name(self, line: str) -> None:
        """Takes the tool's name from the line; one that is none is left where it stood."""
        called = _CALL(line.strip())
        name = called[1] if called is not None else line.strip()
        if _plain_name(name) in _NO_TOOL:
            self._before.pop()
            self._state = _State.THINKING
        elif called is not None or _plain_name(name) in self._tools:
            self._tool, self._state = name, _State.CALLING
            self._input = [called[2] or ""] if called is not None else []
            self._before.append(line)
        else:
            self._before.append(line)
            self._state = self._origin

    def _bounded(self) -> list[AgentEvent]:
        """Lets go of what has been held for too long."""
        held = MAX_HELD if self._tools else MAX_HELD_WITHOUT_TOOLS
        if self._length <= (held if self._state is _State.FORMLESS else MAX_CALL):
            return []
        if self._state is _State.INPUT or (self._state is _State.CALLING and self._is_known()):
            return self._call()
        self._state = _State.ANSWER
        return self._as_text()

    def _open(self, char: str) -> list[AgentEvent]:
        """Leaves out what stands between the label and the first word of the answer."""
        self._line = (self._line + char).lstrip()
        if self._decoration and self._decoration.startswith(self._line):
            if self._line == self._decoration:
                self._line = self._decoration = ""
            return []
        if not self._line:
            return []
        self._state = _State.ANSWER
        return _text(self._line)

    def _as_text(self) -> list[AgentEvent]:
        text = "".join([*self._before, self._line]).lstrip()
        return _text(text if self._state is _State.ANSWER else text.rstrip())

    def _is_known(self) -> bool:
        return _plain_name(self._tool) in self._tools

    def _call(self) -> list[AgentEvent]:
        self._state = _State.OVER
        tool = self._tools.get(_plain_name(self._tool))
        if tool is None:
            return [UnknownTool(tool=self._tool)]
        # The last two are the line that names the tool.
        thought = "".join(self._before[:-2]).strip(_AROUND)
        tool_input = "".join([*self._input, self._line]).strip(_AROUND)[:MAX_TOOL_INPUT]
        return [ToolCall(thought=thought, tool=tool, tool_input=tool_input)]


def _plain_name(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _continued(event: AgentEvent, rest: str) -> AgentEvent:
    """The event with what follows it; what follows a call is of no interest."""
    return TextDelta(text=event.text + rest) if isinstance(event, TextDelta) else event


def _text(text: str) -> list[AgentEvent]:
    return [TextDelta(text=text)] if text else []
