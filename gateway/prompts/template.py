"""What a prompt is made of: the inputs that it takes, and messages with places for them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

# How an input is cut that is too long for the model: what of it goes, if any may.
Fits = Literal["cut_end", "cut_start", "cut_middle", "never"]
InputType = Literal["text", "list", "flag"]
Role = Literal["system", "user", "assistant"]

PLACEHOLDER = re.compile(r"\{\{([a-z][a-z0-9_]*)\}\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Input:
    """Something a prompt is given; `max_chars` is inclusive and counts all lines of a list.

    What `is_trusted` is shown as it is: the asker's own words, and what the gateway says itself.
    """

    name: str
    type: InputType
    is_required: bool
    max_chars: int
    is_trusted: bool
    fits: Fits


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A paragraph; shown if the input `when` is given (a flag: is set) and `unless` is not."""

    text: str
    when: str | None = None
    unless: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageTemplate:
    """One message; the parts of it that are shown are put a blank line apart."""

    role: Role
    parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The inputs of a prompt by name, and its messages."""

    inputs: Mapping[str, Input]
    messages: tuple[MessageTemplate, ...]
