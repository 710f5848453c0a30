"""Collects what is wrong with a document while it is read."""

from collections.abc import Iterable
from typing import Any

from appliance.model_selection.rules.definitions.values import Problem
from appliance.model_selection.rules.nearest import MOST_CHARS, nearest
from gateway.contract.selection import ref_key

# A document of nothing but mistakes must not fill the database, nor take minutes to read.
MOST_PROBLEMS = 1_000
MOST_PROPOSALS = 20
SHOWN_CHARS = 80


class Notes:
    """The problems of one document, up to so many, and how many more there are."""

    def __init__(self) -> None:
        self._problems: list[Problem] = []
        self._left_out = 0
        self._proposals: dict[str, str | None] = {}

    def add(
        self,
        entry: str,
        code: str,
        sentence: str,
        *,
        identifier: str | None = None,
        feature: str | None = None,
    ) -> None:
        """One more."""
        if len(self._problems) >= MOST_PROBLEMS:
            self._left_out += 1
            return
        problem = Problem(
            entry=entry, code=code, sentence=sentence, identifier=identifier, feature=feature
        )
        self._problems.append(problem)

    def proposal(self, ref: str, known: Iterable[str]) -> str:
        """The end of a sentence that says what was meant, empty if nobody can tell."""
        key = ref_key(ref)
        if key not in self._proposals:
            if len(self._proposals) >= MOST_PROPOSALS:
                return ""
            self._proposals[key] = nearest(ref, known)
        found = self._proposals[key]
        return "" if found is None else f"; the nearest is {found}"

    def all(self) -> tuple[Problem, ...]:
        """In the order in which they were found; the last one may tell of more."""
        if not self._left_out:
            return tuple(self._problems)
        more = Problem(
            entry="",
            code="more_problems",
            sentence=f"There are {self._left_out} more problems like these.",
        )
        return (*self._problems, more)


def shown(value: Any) -> str:
    """What stands in a document, short enough for a sentence."""
    match value:
        case dict():
            return "an object"
        case list():
            return "a list"
        case _:
            text = repr(value)
            return text if len(text) <= SHOWN_CHARS else f"{text[: SHOWN_CHARS - 3]}..."


def kept(identifier: str) -> str | None:
    """The identifier if every database and every page can carry it."""
    return identifier[:MOST_CHARS] if identifier.isprintable() else None
