"""The one table of what users are told when a request fails: code, what happened, what helps."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from appliance.ai_actions.rules.values import Answer

HELP_PATH = "/help/ai/error_codes"
NOT_PROCESSED_CONTENT = "M5000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """One way in which a request ends badly; `fix` says what its user can do about it."""

    code: str
    message: str
    fix: str


_TABLE = (
    Failure(
        code="M2000",
        message="The documentation says nothing about that.",
        fix="Ask in other words, or ask about one thing at a time.",
    ),
    Failure(
        code="M3002",
        message="AI features are switched off for this project, group or user.",
        fix="An owner can switch them on in the project's settings, an administrator by the "
        "feature flag.",
    ),
    Failure(
        code="M3003",
        message="It is not there, you may not see it, or your session has ended.",
        fix="Check the address and your role in the group, sign in again, and repeat it.",
    ),
    Failure(
        code="M3004",
        message="You have no access to chat.",
        fix="Ask an administrator for a seat; `casemate explain` names what is missing.",
    ),
    Failure(
        code="M3005",
        message="What you have been given does not include this.",
        fix="Ask an administrator for a seat that does; `casemate explain` names it.",
    ),
    Failure(
        code="M3006",
        message="Nothing that is owned here includes chat.",
        fix="An administrator can add a licence; `casemate explain` names which.",
    ),
    Failure(
        code="M4000",
        message="The command could not be carried out.",
        fix="`/help` says what each command needs.",
    ),
    Failure(
        code="M4001",
        message="What you named was not found.",
        fix="Open its page and ask there, or give its number or full address.",
    ),
    Failure(
        code="M4003",
        message="Only a vulnerability that a static analysis (SAST) found can be explained.",
        fix="Open one of that kind and ask there.",
    ),
    Failure(
        code="M4004",
        message="There are no comments to summarise.",
        fix="Ask again when somebody has written one that you may see.",
    ),
    Failure(
        code="M4005",
        message="There is no log of a failed job to look at.",
        fix="Open a job that has failed and has a log, and ask there.",
    ),
    Failure(
        code="M5000",
        message="The content could not be processed.",
        fix="Check that what you ask about exists and is not empty, then ask again.",
    ),
    Failure(
        code="A1000",
        message="The answer took too long.",
        fix="Ask again in a moment, or for less at once.",
    ),
    Failure(
        code="A1001",
        message="The model cannot be reached right now, or it failed.",
        fix="Ask again in a moment; an administrator finds the reason with `casemate status`.",
    ),
    Failure(
        code="A1002",
        message="The AI gateway gave an answer that cannot be read.",
        fix="Ask again; if it stays so, an administrator should compare the releases of instance "
        "and gateway.",
    ),
    Failure(
        code="A1003",
        message="The answer broke off before its end.",
        fix="Ask again; if it stays so, an administrator finds the reason in `casemate logs "
        "gateway`.",
    ),
    Failure(
        code="A1004",
        message="The AI gateway could not process the request.",
        fix="Ask again; if it stays so, an administrator finds the reason in `casemate logs "
        "gateway`.",
    ),
    Failure(
        code="A1005",
        message="The request is too long for the model, even when shortened.",
        fix="Ask about less at once, or begin a new conversation with `/new`.",
    ),
    Failure(
        code="A1006",
        message="The question took too many steps.",
        fix="Ask a simpler question, or several one after the other.",
    ),
    Failure(
        code="A6000",
        message="The model had no answer.",
        fix="Ask again in other words.",
    ),
    Failure(
        code="A9999",
        message="Something went wrong that should not have.",
        fix="Ask again; if it stays so, an administrator finds the reason in `casemate logs "
        "instance`.",
    ),
    Failure(
        code="G3001",
        message="Nothing that is owned here includes this.",
        fix="An administrator can add a licence that does; `casemate explain` names which.",
    ),
    Failure(
        code="G3002",
        message="Licences belong to groups here, and it is not clear which of yours counts.",
        fix="Choose a default group in your settings, or ask within a project.",
    ),
)
CODES: Mapping[str, Failure] = {each.code: each for each in _TABLE}


def sentence(code: str, facts: Mapping[str, Any] | None = None) -> str:
    """What the user is told; a `detail` among the facts is a sentence of its own in the middle."""
    failure = CODES[code]
    detail = (facts or {}).get("detail")
    parts = (failure.message, str(detail) if detail else None, failure.fix)
    return " ".join(part for part in parts if part)


def anchor(code: str) -> str:
    """The part of the help page that is about the code."""
    return f"error-{code.lower()}"


def failed_answer(code: str, facts: Mapping[str, Any] | None = None) -> Answer:
    """How a request ends that failed; the sentence leads to the help page."""
    said = sentence(code, facts)
    link = f"[{code}]({HELP_PATH}#{anchor(code)})"
    return Answer(content=f"{said} Error code: {link}", code=code, errors=(said,))


def refused_sentence(code: str, facts: Mapping[str, Any] | None = None) -> str:
    """What the mutation answers who may not ask, in its `errors`."""
    return f"{sentence(code, facts)} ({code})"
