"""What the gateway answers while an action asks it, in the words of the instance."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """An input that the gateway shortened: of `whole` characters it told the model `kept`."""

    input: str
    kept: int
    whole: int


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptAnswer:
    """What a model said to a prompt, and what it was not told."""

    text: str = field(repr=False)
    cuts: Sequence[Cut] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    """A part of a final answer."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """The model wants a tool's observation before it goes on; `tool_input` is as it wrote it."""

    tool: str
    tool_input: Any = field(repr=False)
    thought: str = field(default="", repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The gateway says that it went wrong; one that is `is_retryable` may work if asked again."""

    message: str = field(repr=False)
    is_retryable: bool = False


AgentEvent = TextDelta | ToolCall | Failed
