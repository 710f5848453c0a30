"""What a conversation is, how long it is kept, and what it is called."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from appliance.ai_actions.rules.values import ConversationType

# As long as the real system keeps them.
UNUSED_FOR = timedelta(days=30)
# Beyond these a user's oldest go; nobody pages through more.
MAX_THREADS = 50
MAX_TITLE_CHARS = 100
DEFAULT_TYPE: ConversationType = "DUO_CHAT_LEGACY"


@dataclass(frozen=True, slots=True, kw_only=True)
class Thread:
    """A conversation of a user; its title is taken from the first question."""

    id: int
    title: str
    conversation_type: ConversationType
    created_at: datetime
    updated_at: datetime


def title_of(question: str) -> str:
    """The first line of a question, as far as it fits."""
    line = " ".join(question.split("\n", 1)[0].split())
    if len(line) <= MAX_TITLE_CHARS:
        return line
    return f"{line[: MAX_TITLE_CHARS - 1].rstrip()}…"
