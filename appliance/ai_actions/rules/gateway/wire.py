"""What comes from the gateway while it answers, line by line."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec

from appliance.ai_actions.rules.gateway.answers import (
    AgentEvent,
    Cut,
    Failed,
    TextDelta,
    ToolCall,
)

CUT_HEADER = "x-casemate-cut"
# Of one line, and of a whole answer; no model says so much within the time that there is.
MAX_LINE_BYTES = 1024 * 1024
MAX_ANSWER_CHARS = 4 * 1024 * 1024


class UnreadableLineError(ValueError):
    """A line is not what the gateway was asked for; the text of it is not kept."""


class Lines:
    """Puts lines together from parts of any size; what is no whole line yet is held back."""

    def __init__(self) -> None:
        self._rest = b""

    def feed(self, part: bytes) -> Iterator[bytes]:
        """The lines that the part completes, without those that are blank.

        Raises:
            UnreadableLineError: one has no end.
        """
        *whole, self._rest = (self._rest + part).split(b"\n")
        if len(self._rest) > MAX_LINE_BYTES:
            raise UnreadableLineError
        return _unblank(whole)

    def finish(self) -> Iterator[bytes]:
        """What was left without an end."""
        rest, self._rest = self._rest, b""
        return _unblank([rest])


def _unblank(lines: Iterable[bytes]) -> Iterator[bytes]:
    return (line for line in lines if line.strip())


class PromptLine(msgspec.Struct):
    """A part of an answer to a prompt; the last one tells what was used."""

    content: str = ""
    usage: dict[str, Any] | None = None


class _EventLine(msgspec.Struct):
    type: str
    data: dict[str, Any] = {}


_prompt_decoder = msgspec.json.Decoder(PromptLine)
_event_decoder = msgspec.json.Decoder(_EventLine)


def read_prompt_line(line: bytes) -> PromptLine:
    """One line of an answer to a prompt.

    Raises:
        UnreadableLineError: it is none.
    """
    try:
        return _prompt_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise UnreadableLineError from cause


def read_event(line: bytes) -> AgentEvent | None:
    """One line of a conversation; None: the last one, which tells what was used.

    Of kinds that a later release may have, nothing is said: an empty text.

    Raises:
        UnreadableLineError: it is none.
    """
    try:
        event = _event_decoder.decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        raise UnreadableLineError from cause
    said = event.data
    match event.type:
        case "usage":
            return None
        case "action":
            return ToolCall(
                tool=_text(said, "tool"),
                tool_input=said.get("tool_input"),
                thought=_text(said, "thought"),
            )
        case "error":
            return Failed(
                message=_text(said, "message"), is_retryable=said.get("retryable") is True
            )
        case "final_answer_delta" | "unknown":
            return TextDelta(text=_text(said, "text"))
        case _:
            return TextDelta(text="")


def _text(said: Mapping[str, Any], name: str) -> str:
    value = said.get(name)
    return value if isinstance(value, str) else ""


def read_cuts(header: str) -> tuple[Cut, ...]:
    """What was cut, as the gateway's header lists it; an entry that cannot be read is left out."""
    found = []
    for entry in header.split(","):
        name, _, counts = entry.strip().partition("=")
        kept, _, whole = counts.partition("/")
        if name and kept.isdecimal() and whole.isdecimal():
            found.append(Cut(input=name, kept=int(kept), whole=int(whole)))
    return tuple(found)
