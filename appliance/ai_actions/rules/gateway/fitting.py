"""What does not fit a model at once: how it is split, and how its user is told of it."""

from collections.abc import Mapping, Sequence

from appliance.ai_actions.rules.gateway.answers import Cut

# Of one input; a model of a million tokens would take more, and wait for it too long.
MAX_INPUT_CHARS = 400_000
# Of what stands beside it.
MAX_ASIDE_CHARS = 100_000
# Each part is a question of its own to the model.
MAX_PARTS = 8
# Below what fitted just now: the next words may be longer in tokens.
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
    "job_log": "the job's log",
    "messages": "the conversation",
    "history": "the conversation so far",
    "observation": "what was read",
    "current_file": "the file",
    "additional_context": "what was sent along",
}


def bounded(text: str) -> str:
    """The beginning of a text, as far as it is worth sending."""
    return text[:MAX_INPUT_CHARS]


def aside(text: str) -> str:
    """The beginning of what only explains the rest."""
    return text[:MAX_ASIDE_CHARS]


def last_of(text: str) -> str:
    """The end of a text, as far as it is worth sending."""
    return text[-MAX_INPUT_CHARS:]


def lines_between(text: str, first: object, last: object) -> str:
    """The lines from `first` to `last`, both counted from 1 and in it; all when they are none."""
    lines = text.splitlines()
    begin = first if isinstance(first, int) and 0 < first <= len(lines) else None
    if begin is None:
        return text
    end = last if isinstance(last, int) and last >= begin else begin
    return "\n".join(lines[begin - 1 : end])


def part_chars(kept: int) -> int:
    """How long a part may be, where the gateway kept so many characters of the whole."""
    return max(MIN_PART_CHARS, int(kept * SAFETY))


def in_parts(texts: Sequence[str], *, limit: int) -> tuple[list[str], int]:
    """Joins texts, in their order, to parts of at most `limit` characters; at most `MAX_PARTS`.

    A text that is longer than a part goes on in the next. Of more parts the first and the last
    are kept: how it began, and where it stands. The number says how many characters found no place.
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
    left_out = parts[1 : len(parts) - MAX_PARTS + 1]
    kept = [*parts[:1], *parts[1:][-(MAX_PARTS - 1) :]]
    return kept, sum(len(part) for part in left_out)


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


def told_of_parts(count: int, *, lost: int, whole: int) -> str:
    """A last line for a summary that was made of the summaries of `count` parts."""
    said = f"The discussion did not fit the model at once, and was summed up in {count} parts"
    if not lost:
        return f"{said}."
    return f"{said}; {lost:,} of its {whole:,} characters found no place."


def with_note(text: str, note: str) -> str:
    """An answer with a last line of ours, set apart from what the model said."""
    return f"{text.rstrip()}\n\n*{note}*" if note else text
