"""Cuts texts so that they fit together into what a model has room for."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from gateway.prompts.template import Fits
from gateway.prompts.windows import estimated_tokens

# Less than this of a text says nothing.
MIN_KEPT_TOKENS = 48
# How much of the room is used at once when the first guess was too much.
_STEP = 0.95


@dataclass(frozen=True, slots=True, kw_only=True)
class Cut:
    """An input of which only `kept` of `whole` characters are shown."""

    input: str
    kept: int
    whole: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A text that wants a place, and how it may be cut."""

    name: str
    text: str = field(repr=False)
    fits: Fits


def fitted(pieces: Sequence[Piece], *, room_tokens: int) -> tuple[list[str], list[Cut]] | None:
    """The texts, the longest cut until all fit, and what was cut; None: there is no room for them.

    Those that may not be cut are left whole.
    """
    sizes = [estimated_tokens(each.text) for each in pieces]
    if sum(sizes) <= room_tokens:
        return [each.text for each in pieces], []
    uncut = sum(size for size, each in zip(sizes, pieces, strict=True) if each.fits == "never")
    level = _level(
        [size for size, each in zip(sizes, pieces, strict=True) if each.fits != "never"],
        room_tokens - uncut,
    )
    if level < MIN_KEPT_TOKENS:
        return None
    texts: list[str] = []
    cuts: list[Cut] = []
    for size, piece in zip(sizes, pieces, strict=True):
        if piece.fits == "never" or size <= level:
            texts.append(piece.text)
            continue
        text, kept = shortened(piece.text, piece.fits, tokens=level)
        texts.append(text)
        cuts.append(Cut(input=piece.name, kept=kept, whole=len(piece.text)))
    return texts, cuts


def _level(sizes: Sequence[int], room: int) -> int:
    """The most that each may have so that all have room: small ones are left whole."""
    rest = sorted(sizes)
    while rest and rest[0] <= room // len(rest):
        room -= rest.pop(0)
    return room // len(rest) if rest else room


def shortened(text: str, fits: Fits, *, tokens: int) -> tuple[str, int]:
    """At most so many tokens of the text, marked where some is missing, and how much is kept."""
    kept = int(len(text) * min(1.0, tokens / max(1, estimated_tokens(text))))
    while True:
        short, length = _shortened(text, fits, kept)
        if kept == 0 or estimated_tokens(short) <= tokens:
            return short, length
        kept = int(kept * _STEP)


def _shortened(text: str, fits: Fits, kept: int) -> tuple[str, int]:
    head, tail = _halves(fits, kept)
    first = _whole_lines(text[:head])
    last = _whole_lines(text[len(text) - tail :][::-1])[::-1]
    length = len(first) + len(last)
    mark = f"[... {len(text) - length:,} characters left out here ...]"
    return "\n".join(each for each in (first.rstrip("\n"), mark, last.lstrip("\n")) if each), length


def _halves(fits: Fits, kept: int) -> tuple[int, int]:
    """How many characters stay at the start, and how many at the end."""
    match fits:
        case "cut_end" | "never":
            return kept, 0
        case "cut_start":
            return 0, kept
        case "cut_middle":
            return kept - kept // 2, kept // 2


def _whole_lines(text: str) -> str:
    """Without the line that was cut through, unless that would be most of it."""
    border = text.rfind("\n") + 1
    return text[:border] if border > len(text) // 2 else text
