"""The product's own documentation, as short pages that chat searches."""

import math
import re
import tomllib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files

import msgspec

FOLDER = "documentation"
# Where each page can be read.
PAGES_PATH = "/help/ai/documentation"
MAX_FOUND = 3
# A page must hold at least this part of what the question's words are worth.
LEAST_SHARE = 0.25
# And be this good beside the best one: what else there is only costs the model room.
LEAST_OF_BEST = 0.5
TITLE_WORTH, KEYWORD_WORTH, TEXT_WORTH = 4.0, 3.0, 1.0
MAX_QUERY_WORDS = 40

_WORD = re.compile(r"[a-z0-9_]+")
_EMPTY_WORDS = frozenset(
    _WORD.findall(
        """
        a an and any are as at be by can could do does for from gitlab casemate duo how i if in is
        it me my of on one or please should tell that the their them there they this to use used
        using was we what when where which who why will with would you your about not no get have
        has
        """
    )
)
LEAST_STEM_CHARS = 3


class Page(msgspec.Struct, frozen=True, kw_only=True):
    """One page; `text` is Markdown."""

    name: str = ""
    title: str
    keywords: tuple[str, ...] = ()
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Library:
    """All pages, and what each word is worth: the rarer, the more."""

    pages: Sequence[Page]
    words: Sequence[Mapping[str, float]]
    worth: Mapping[str, float]

    def search(self, question: str) -> Sequence[Page]:
        """The pages that answer best, the best first; none when none has much to do with it."""
        asked = set(_words(question)[:MAX_QUERY_WORDS])
        most = sum(self.worth.get(word, self._of_strangers) for word in asked) * TEXT_WORTH
        if not most:
            return ()
        scored = [
            (sum(held.get(word, 0.0) * self.worth.get(word, 0.0) for word in asked), number)
            for number, held in enumerate(self.words)
        ]
        best = sorted(scored, reverse=True)[:MAX_FOUND]
        least = max(most * LEAST_SHARE, best[0][0] * LEAST_OF_BEST)
        return [self.pages[number] for score, number in best if score >= least]

    @property
    def _of_strangers(self) -> float:
        return math.log(1 + len(self.pages))


def make_library(pages: Iterable[Page]) -> Library:
    """A library of these pages."""
    kept = tuple(pages)
    words = tuple(_weights(page) for page in kept)
    holding = Counter(word for held in words for word in held)
    worth = {word: math.log(1 + len(kept) / number) for word, number in holding.items()}
    return Library(pages=kept, words=words, worth=worth)


@cache
def load_library() -> Library:
    """The pages of this release."""
    folder = files("appliance.ai_actions").joinpath(FOLDER)
    found = sorted(each.name for each in folder.iterdir() if each.name.endswith(".toml"))
    return make_library(
        parse_page(name.removesuffix(".toml"), folder.joinpath(name).read_text("utf-8"))
        for name in found
    )


def parse_page(name: str, text: str) -> Page:
    """A page as its file has it."""
    return msgspec.convert({**tomllib.loads(text), "name": name}, Page)


def _weights(page: Page) -> Mapping[str, float]:
    counts = Counter(_words(page.text))
    # The second mention says less than the first.
    weights = {word: TEXT_WORTH * (1 + math.log(number)) for word, number in counts.items()}
    for word in _words(" ".join(page.keywords)):
        weights[word] = weights.get(word, 0.0) + KEYWORD_WORTH
    for word in _words(page.title):
        weights[word] = weights.get(word, 0.0) + TITLE_WORTH
    return weights


def _words(text: str) -> list[str]:
    found = (word.strip("_") for word in _WORD.findall(text.lower()))
    return [_stem(word) for word in found if len(word) > 1 and word not in _EMPTY_WORDS]


def _stem(word: str) -> str:
    for ending in ("ing", "ies", "es", "ed", "s"):
        stem = word.removesuffix(ending)
        if LEAST_STEM_CHARS <= len(stem) < len(word) and not word.endswith("ss"):
            return stem + ("y" if ending == "ies" else "")
    return word
