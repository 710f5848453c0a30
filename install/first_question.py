"""The first question of `up`: asked through the whole path by who is entitled to it."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from install import contents, demo_licence
from install.api import Instance, instance
from install.config import Config
from install.places import Places
from install.progress import STEPS, Display
from install.question import PASSING, Answer, Question, ask, ask_when_ready
from install.trust import trusted_for

FIRST_QUESTION = "In one sentence: what is a computer network?"
FIRST_ANSWER_TOKENS = 64
# The gateway hears of a new model within a second, and looks at its endpoint every few.
FEED_PATIENCE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstQuestion:
    """What came of it: an answer, or why the admin may not ask."""

    answer: Answer | None
    refusal: str | None
    is_demo_licence: bool


def ask_first(places: Places, settings: Config, ref: str, *, display: Display) -> FirstQuestion:
    """Asks, unless the instance says that the admin may not.

    Raises:
        InstallError: there was no answer.
    """
    with (
        display.step(STEPS[-1]) as step,
        instance(settings.instance_url, contents.token_file(places)) as asked,
    ):
        why_not = refusal(asked, ref)
        is_demo = demo_licence.is_in_use(asked)
        if why_not is not None:
            step.result = "not asked: nobody may yet"
            return FirstQuestion(answer=None, refusal=why_not, is_demo_licence=is_demo)
        token = asked.mint()
        question = Question(text=FIRST_QUESTION, model=ref, max_tokens=FIRST_ANSWER_TOKENS)
        trusted = trusted_for(settings.gateway_url, places.home)
        answer = ask_when_ready(
            lambda: ask(settings.gateway_url, token, question, trusted=trusted),
            patience_s=FEED_PATIENCE_S,
        )
        rate = f"{answer.tokens_per_second:.0f} tokens/s"
        step.result = f"{answer.completion_tokens} tokens, {rate}"
    return FirstQuestion(answer=answer, refusal=None, is_demo_licence=is_demo)


def refusal(asked: Instance, ref: str) -> str | None:
    """Why the admin may not ask, as a sentence; a model that is not there yet is waited for."""
    query = urlencode({"feature": "duo_chat", "model": ref})
    found = asked.ask("GET", f"/api/v4/ai/explanations?{query}")
    if found["verdict"] != "refused" or found["code"] in PASSING:
        return None
    failed: dict[str, Any] = next(each for each in found["checks"] if each["state"] == "failed")
    return str(failed["sentence"])
