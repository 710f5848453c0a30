"""Finds what somebody probably meant when a ref is not known."""

import re
from collections import Counter
from collections.abc import Iterable
from difflib import SequenceMatcher

from gateway.contract.selection import ref_key

# Below that share of words or letters in common a proposal would only puzzle.
LEAST_ALIKE = 0.6
# The order of letters is compared among so many at most: that is slow, and there may be 10,000.
MOST_COMPARED = 8
MOST_CHARS = 255


def nearest(ref: str, known: Iterable[str]) -> str | None:
    """The one of `known` that is most like `ref`, None when none is.

    Words count in any order: names of models differ by the order of their parts more often than by
    a letter.
    """
    words, letters = _words(ref), Counter(_folded(ref))

    def rank(each: str) -> tuple[float, str]:
        return -_share(words, _words(each)) - _share(letters, Counter(_folded(each))), each

    best, likeness = None, 0.0
    for each in sorted(known, key=rank)[:MOST_COMPARED]:
        by_word = _share(words, _words(each))
        by_letter = SequenceMatcher(None, _folded(ref), _folded(each)).ratio()
        if max(by_word, by_letter) >= LEAST_ALIKE and by_word + by_letter > likeness:
            best, likeness = each, by_word + by_letter
    return best


def _folded(ref: str) -> str:
    return ref_key(ref[:MOST_CHARS])


def _words(ref: str) -> Counter[str]:
    return Counter(re.split(r"[-.:]", _folded(ref)))


def _share(some: Counter[str], others: Counter[str]) -> float:
    """From 0 to 1, which is all of both."""
    return (some & others).total() / max((some | others).total(), 1)
