"""What does not fit a model at once: how it is split, and how its user is told what was left out."""

from collections.abc import Mapping, Sequence

from appliance.ai_actions.rules.gateway_answers import Cut

# Each part is a question of its own to the model.
MAX_PARTS = 8
# What a part may be longer than the last one that fitted: nothing; words differ in tokens.
SAFETY = 0.9
MIN_PART_CHARS = 500
NOTES_APART = "\n\n"

_SPOKEN: Mapping[str, str] = {
    "notes": "the comments",
    "content_above_cursor": "the code before the selection",
    "content_below_cursor": "the code after the selection",
    "diff": "the changes",
    "extracted_diff": "the changes",
    "draft_notes_content": "the review",
    "source_code": "the source code",
    "messages": "the conversation",
    "trace": "the job's log",
}


def part_chars(kept: int) -> int:
    """How long a part may be, where the gateway kept so many characters of the whole."""
    return max(MIN_PART_CHARS, int(kept * SAFETY))


def in_parts(texts: Sequence[str], *, limit: int) -> tuple[list[str], int]:
    """Joins texts, in their order, to parts of at most `limit` characters; at most `MAX_PARTS`.

    A text that is longer than a part goes on in the next. The number says how many characters
    found no place.
    """
    parts: list[str] = []
    room = 0
    for text in texts:
        rest = text
        while rest:
            needed = len(rest) + (len(NOTES_APART) if room < limit else 0)
            if parts and needed <= room:
                parts[-1] += f"{NOTES_APART}{rest}"
                room -= needed
                break
            parts.append(rest[:limit])
            rest = rest[limit:]
            room = limit - len(parts[-1])
    left_out = sum(len(part) for part in parts[MAX_PARTS:])
    return parts[:MAX_PARTS], left_out


def told(cuts: Sequence[Cut]) -> str:
    """A last line for an answer whose model was not told everything; "" when it was."""
    said = [
        f"{_SPOKEN.get(cut.input, cut.input.replace('_', ' '))} "
        f"({cut.kept:,} of {cut.whole:,} characters)"
        for cut in cuts
        if cut.kept < cut.whole
    ]
    if not said:
        return ""
    return f"Not everything fitted the model, which was told only a part of {' and '.join(said)}."


def with_note(text: str, note: str) -> str:
    """An answer with a last line of ours, set apart from what the model said."""
    return f"{text.rstrip()}\n\n*{note}*" if note else text
