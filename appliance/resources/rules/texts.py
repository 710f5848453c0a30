"""What a title, a text or a label must look like, whatever it belongs to."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from appliance.errors import InvalidFieldsError

MAX_LINE_CHARS = 255
# More than a model reads; a page of a hundred such texts is still an answer that can be held.
MAX_TEXT_CHARS = 262_144
MAX_LABELS = 100

# A lone surrogate cannot be written in UTF-8, nor a null in PostgreSQL.
NOT_OF_A_TEXT = re.compile("[\0\ud800-\udfff]")
NOT_OF_A_LINE = re.compile("[\0-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelChange:
    """What to do with labels; `labels` None keeps those that there are."""

    labels: tuple[str, ...] | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    def applied(self, before: Sequence[str]) -> list[str]:
        """The labels afterwards, each once, in the order in which they came."""
        kept = before if self.labels is None else self.labels
        together = dict.fromkeys((*kept, *self.added))
        return [each for each in together if each not in self.removed]


KEPT_LABELS = LabelChange()


def parse_labels(labels: str | Sequence[str]) -> tuple[str, ...]:
    """The labels of a list, or of a text that has them with commas between."""
    parts = labels.split(",") if isinstance(labels, str) else labels
    return tuple(dict.fromkeys(part.strip() for part in parts if part.strip()))


def check(problems: Mapping[str, str | None]) -> None:
    """Passes when no field has a problem.

    Raises:
        InvalidFieldsError: with a sentence for each that has.
    """
    found = {field: problem for field, problem in problems.items() if problem is not None}
    if found:
        raise InvalidFieldsError(found)


def problem_of_line(text: str | None, *, most: int = MAX_LINE_CHARS) -> str | None:
    """What is wrong with a text of one line; nothing is with None, which is not said."""
    if text is None or (text.strip() and len(text) <= most and not NOT_OF_A_LINE.search(text)):
        return None
    return f"must be 1 to {most} characters in one line"


def problem_of_text(text: str | None, *, most: int = MAX_TEXT_CHARS, least: int = 0) -> str | None:
    """What is wrong with a text of many lines, likewise; `least` does not count blanks."""
    if text is None:
        return None
    if len(text) <= most and len(text.strip()) >= least and not NOT_OF_A_TEXT.search(text):
        return None
    return f"must be {least} to {most} characters, without null characters"


def problem_of_labels(labels: Sequence[str]) -> str | None:
    """What is wrong with the labels that something would have."""
    are_many = len(labels) > MAX_LABELS
    if are_many or any("," in each or problem_of_line(each) is not None for each in labels):
        return f"must be at most {MAX_LABELS}, each 1 to {MAX_LINE_CHARS} characters without commas"
    return None


def required(value: str | None) -> str | None:
    """What is wrong with a field that cannot be left out."""
    return "is required" if value is None else None
