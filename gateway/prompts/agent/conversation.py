"""A conversation as a model reads it: who said what, with what was sent along."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

from gateway.prompts.cutting import Piece
from gateway.prompts.fencing import defused, fenced, plain
from gateway.prompts.rendering import Message

# A model's own words that come back to it; longer ones are no thought and no reference.
MAX_STEP_CHARS = 4_000

USER_RULE = "user_rule"
_CATEGORY = re.compile(r"[a-z_]{1,40}").fullmatch


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A tool that was used in the running turn, and what it found."""

    thought: str
    tool: str
    tool_input: str
    observation: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """What one side said, and what was sent along with it, as it came over the wire.

    `context` is the page (`type`, `title`, perhaps `content`), `current_file` what is open in an
    editor (`file_path`, `data`, `selected_code`); `additional_context` has a `category` in each.
    """

    role: Literal["user", "assistant", "system"]
    content: str = field(default="", repr=False)
    context: Mapping[str, object] | None = field(default=None, repr=False)
    current_file: Mapping[str, object] | None = field(default=None, repr=False)
    additional_context: Sequence[Mapping[str, object]] = field(default=(), repr=False)
    scratchpad: Sequence[Step] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A message in the making: paragraphs, and below each its pieces, which may be cut."""

    role: Literal["user", "assistant"]
    paragraphs: Sequence[str | Piece]

    @property
    def pieces(self) -> list[Piece]:
        """What may be cut of it."""
        return [each for each in self.paragraphs if isinstance(each, Piece)]

    def message(self, texts: Iterator[str] | None = None) -> Message:
        """The message, with the given texts in place of its pieces, or with them whole."""
        content = ""
        for each in self.paragraphs:
            if isinstance(each, Piece):
                content += fenced(each.name, next(texts) if texts else each.text) + "\n\n"
            else:
                content += each + "\n"
        return {"role": self.role, "content": content.rstrip()}


def said(turn: Turn) -> Iterator[Said]:
    """The messages of one turn."""
    if turn.role != "assistant":
        # Templates of many models take a system message at the start only.
        yield Said(role="user", paragraphs=[*_sent_along(turn), plain(turn.content)])
    elif turn.content:
        yield Said(role="assistant", paragraphs=[f"Final Answer: {plain(turn.content)}"])
    else:
        for step in turn.scratchpad:
            yield from _looked_up(step)


def merged(messages: Sequence[Message]) -> list[Message]:
    """The messages with those of one side in a row made one: templates want them to alternate."""
    result: list[Message] = []
    for each in messages:
        if result and result[-1]["role"] == each["role"]:
            both = (result[-1]["content"], each["content"])
            result[-1] = {"role": each["role"], "content": "\n\n".join(filter(None, both))}
        else:
            result.append(each)
    return result


def _looked_up(step: Step) -> Iterator[Said]:
    lines = (
        f"Thought: {_line(step.thought)}",
        f"Action: {_line(step.tool)}",
        f"Action Input: {_line(step.tool_input)}",
    )
    yield Said(role="assistant", paragraphs=["\n".join(lines)])
    found = Piece(name="observation", text=defused(step.observation), fits="cut_end")
    yield Said(role="user", paragraphs=["Observation:", found])


def _line(text: str) -> str:
    return " ".join(defused(text[:MAX_STEP_CHARS]).split())


def _sent_along(turn: Turn) -> Iterator[str | Piece]:
    if turn.context:
        yield from _page(turn.context)
    if turn.current_file:
        yield from _file(turn.current_file)
    for each in turn.additional_context:
        yield from _addition(each)


def _page(context: Mapping[str, object]) -> Iterator[str | Piece]:
    page = f"{_text(context, 'type')} {_text(context, 'title')}".strip()
    yield f"The page that the user is looking at: {fenced('page', defused(page))}"
    content = _text(context, "content")
    if content:
        yield Piece(name="page_content", text=defused(content), fits="cut_end")


def _file(current_file: Mapping[str, object]) -> Iterator[str | Piece]:
    is_selection = current_file.get("selected_code") is True
    what = "What the user has selected in the editor" if is_selection else "The user's open file"
    yield f"{what}: {_named('file_name', _text(current_file, 'file_path'))}".rstrip()
    data = _text(current_file, "data")
    if data:
        yield Piece(name="current_file", text=defused(data), fits="cut_middle")


def _addition(addition: Mapping[str, object]) -> Iterator[str | Piece]:
    content = _text(addition, "content")
    if not content:
        return
    category = _text(addition, "category")
    what = f"Sent along by the user ({category.replace('_', ' ')})"
    if category == USER_RULE:
        what = "How the user wishes answers to be written, as far as their form goes"
    elif not _CATEGORY(category):
        what = "Sent along by the user"
    yield f"{what}: {_named('name', _text(addition, 'id'))}".rstrip()
    yield Piece(name="additional_context", text=defused(content), fits="cut_end")


def _named(tag: str, name: str) -> str:
    return fenced(tag, defused(name)) if name else ""


def _text(values: Mapping[str, object], key: str) -> str:
    value = values.get(key)
    return value if isinstance(value, str) else ""
