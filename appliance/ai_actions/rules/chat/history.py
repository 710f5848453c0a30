"""How much of a conversation a model is told again with each question."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

# A conversation of more turns is about something else by now.
MAX_TURNS = 25
# Chat's history may take this part of what the model's family takes; the rest is for the question,
# what it is asked about, and what tools read.
SHARE = 4
# English text has four characters a token, code three; too little history is better than a prompt
# that does not fit.
CHARS_PER_TOKEN = 3
LEAST_TOKENS = 1_024


@dataclass(frozen=True, slots=True, kw_only=True)
class Turn:
    """A question and its answer, both whole."""

    question: str = field(repr=False)
    answer: str = field(repr=False)

    @property
    def tokens(self) -> int:
        """How many prompt tokens it takes, estimated from above."""
        return estimated_tokens(self.question) + estimated_tokens(self.answer)


def estimated_tokens(text: str) -> int:
    """How many tokens a text takes; what is not ASCII counts one for each character."""
    plain = len(text.encode("ascii", "ignore"))
    return plain // CHARS_PER_TOKEN + (len(text) - plain) + 1


def budget_of(context_tokens: int) -> int:
    """How many tokens of history a model's family leaves room for."""
    return max(LEAST_TOKENS, context_tokens // SHARE)


def window(turns: Sequence[Turn], *, budget: int) -> Sequence[Turn]:
    """The newest of `turns`, which are in order, that fit; a turn is told whole or not at all."""
    kept: list[Turn] = []
    for turn in reversed(turns[-MAX_TURNS:]):
        budget -= turn.tokens
        if budget < 0:
            break
        kept.append(turn)
    return kept[::-1]


def messages_of(turns: Sequence[Turn]) -> list[dict[str, Any]]:
    """The turns as the gateway wants them."""
    return [
        message
        for turn in turns
        for message in (
            {"role": "user", "content": turn.question},
            {"role": "assistant", "content": turn.answer},
        )
    ]
