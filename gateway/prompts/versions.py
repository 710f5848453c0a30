"""Versions of prompts and what may be asked of them, as semantic versioning 2.0 has it."""

import re
from dataclasses import dataclass
from typing import Self

MAX_CONSTRAINT = 200

_NUMBER = r"(?:0|[1-9][0-9]{0,8})"
_VERSION = re.compile(
    rf"({_NUMBER})\.({_NUMBER})\.({_NUMBER})(?:-([0-9a-z]+(?:[.-][0-9a-z]+)*))?"
).fullmatch
_TERM = re.compile(
    rf"(\^|~|>=|<=|>|<|==|=)?\s*({_NUMBER})(?:\.({_NUMBER}))?(?:\.({_NUMBER}))?"
).fullmatch
_BLANKS_OF_TERM = re.compile(r"(?<=[\^~<>=])\s+")

Core = tuple[int, int, int]
_FIRST: Core = (0, 0, 0)


class BadVersionError(ValueError):
    """Neither a version nor a constraint on versions."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One release of a prompt; one with `trial` is only given to who names it exactly."""

    core: Core
    trial: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Reads `1.2.3` or `1.2.3-rc.1`.

        Raises:
            BadVersionError: it is not of that form.
        """
        found = _VERSION(text)
        if found is None:
            raise BadVersionError(text)
        major, minor, patch, trial = found.groups()
        return cls(core=(int(major), int(minor), int(patch)), trial=trial or "")

    @property
    def rank(self) -> tuple[bool, Core, str]:
        """What to compare by; a finished version is above all trials."""
        return (not self.trial, self.core, self.trial)

    def __str__(self) -> str:
        return ".".join(map(str, self.core)) + (f"-{self.trial}" if self.trial else "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Constraint:
    """Which versions would do: the `exact` one, or each from `lowest` on and below every `ends`."""

    exact: Version | None = None
    lowest: Core = _FIRST
    ends: tuple[Core, ...] = ()

    def admits(self, version: Version) -> bool:
        """Whether the version would do."""
        if self.exact is not None:
            return version == self.exact
        if version.trial:
            return False
        return self.lowest <= version.core and all(version.core < end for end in self.ends)


def parse_constraint(text: str | None) -> Constraint:
    """Reads `1.2.3`, `^1.0.0`, `~1.2`, `>=1.0.0 <2.0.0` (a blank or a comma means and), `*`.

    None and an empty text mean any version, as `*` does.

    Raises:
        BadVersionError: it is none of these.
    """
    text = (text or "*").strip()
    if text in {"", "*"}:
        return Constraint()
    if len(text) > MAX_CONSTRAINT:
        raise BadVersionError(text[:MAX_CONSTRAINT])
    if _VERSION(text):
        return Constraint(exact=Version.parse(text))
    terms = _BLANKS_OF_TERM.sub("", text).replace(",", " ").split()
    spans = [_span(term) for term in terms]
    if not spans:
        raise BadVersionError(text)
    return Constraint(
        lowest=max(low for low, _ in spans), ends=tuple(end for _, end in spans if end is not None)
    )


def _span(term: str) -> tuple[Core, Core | None]:
    """From where on, and below what, a version satisfies one term."""
    found = _TERM(term)
    if found is None:
        raise BadVersionError(term)
    sign, *written = found.groups()
    parts = [int(part) for part in written if part is not None]
    low: Core = (parts[0], _at(parts, 1), _at(parts, 2))
    if sign in {"<", "<="}:
        return _FIRST, low if sign == "<" else _after(parts)
    if sign == ">=":
        return low, None
    if sign == ">":
        return _after(parts), None
    held = {"^": _fixed_by_caret(parts), "~": 2}.get(sign, len(parts))
    return low, _after(parts[:held])


def _at(parts: list[int], index: int) -> int:
    return parts[index] if index < len(parts) else 0


def _fixed_by_caret(parts: list[int]) -> int:
    """How many numbers a caret holds fast: up to the first that is not zero."""
    return next((n for n, part in enumerate(parts, 1) if part), len(parts))


def _after(parts: list[int]) -> Core:
    """The first version that no longer begins with these numbers."""
    raised = [*parts[:-1], parts[-1] + 1]
    return (raised[0], _at(raised, 1), _at(raised, 2))
