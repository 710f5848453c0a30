"""`python -m install.slots.acceptance`: the bundle's own test of what now runs, by real questions.

The last line of its output is JSON; what falls short of the figures that the bundle expects ends
it with 1.
"""

import json
import sys
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from install import bootstrap, config, contents, first_question, weights
from install.api import instance
from install.config import Config
from install.errors import InstallError, NotInstalledError
from install.places import Places
from install.question import Answer, Question, ask, ask_when_ready
from install.slots.making import ACCEPTANCE
from install.trust import trusted_for


class NotAcceptedError(InstallError):
    """What runs does not do what the bundle says it does."""

    code = "acceptance_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Expected:
    """One question, and what its answer must reach; `least_rate` is in tokens per second."""

    text: str
    max_tokens: int
    least_completion_tokens: int
    least_rate: float
    most_first_token_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """What one answer came to."""

    completion_tokens: int
    tokens_per_second: float
    first_token_s: float


def parse(text: bytes) -> tuple[Expected, ...]:
    """Reads a bundle's acceptance test.

    Raises:
        NotAcceptedError: it is none.
    """
    try:
        found = json.loads(text)
        figures = found["figures"]
        return tuple(
            Expected(
                text=str(each["text"]),
                max_tokens=int(each["max_tokens"]),
                least_completion_tokens=int(each["least_completion_tokens"]),
                least_rate=float(figures["tokens_per_second"]["least"]),
                most_first_token_s=float(figures["first_token_s"]["most"]),
            )
            for each in found["questions"]
        )
    except (ValueError, KeyError, TypeError) as cause:
        sentence = "The bundle's acceptance test cannot be read."
        raise NotAcceptedError(sentence) from cause


def judge(expected: Expected, answer: Answer) -> Measured:
    """What an answer came to, when it is as expected.

    Raises:
        NotAcceptedError: it is not; the sentence has both figures.
    """
    rate, first = answer.tokens_per_second, answer.first_token_s
    if answer.completion_tokens < expected.least_completion_tokens or not answer.text:
        sentence = (
            f"The acceptance test got {answer.completion_tokens} tokens for an answer, at least "
            f"{expected.least_completion_tokens} are expected."
        )
        raise NotAcceptedError(sentence)
    if rate < expected.least_rate or first > expected.most_first_token_s:
        sentence = (
            f"The acceptance test saw {rate:.1f} tokens/s after {first:.1f} s; at least "
            f"{expected.least_rate:g} tokens/s within {expected.most_first_token_s:g} s are "
            "expected."
        )
        raise NotAcceptedError(sentence)
    return Measured(
        completion_tokens=answer.completion_tokens,
        tokens_per_second=round(rate, 1),
        first_token_s=round(first, 3),
    )


def run(places: Places, settings: Config, text: bytes) -> dict[str, Any]:
    """Asks all of it through the whole path, as the admin; says so where nobody may ask yet.

    Raises:
        InstallError: a question was not answered, or fell short.
    """
    ref = weights.chosen_ref(places, settings)
    expected = parse(text)
    with instance(settings.instance_url, contents.token_file(places)) as asked:
        refusal = first_question.refusal(asked, ref)
        if refusal is not None:
            return {"asked": 0, "not_asked": refusal, "measured": []}
        token = asked.mint()
    trusted = trusted_for(settings.gateway_url, places.home)
    measured = []
    for each in expected:
        question = Question(text=each.text, model=ref, max_tokens=each.max_tokens)
        asking = partial(ask, settings.gateway_url, token, question, trusted=trusted)
        answer = ask_when_ready(asking, patience_s=first_question.FEED_PATIENCE_S)
        measured.append(asdict(judge(each, answer)))
    return {"asked": len(expected), "not_asked": None, "measured": measured}


def main() -> int:
    """Runs the test of the slot in use."""
    places = bootstrap.find_places()
    try:
        settings = config.load(places.config)
        if settings is None:
            raise NotInstalledError(places.home)
        found = run(places, settings, Path(places.slot / ACCEPTANCE).read_bytes())
    except InstallError as error:
        print(json.dumps({"error": {"code": error.code, "message": error.sentence}}))
        return error.exit_code
    print(json.dumps(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
