"""`casemate explain`: why somebody may or may not use a feature, and what an error code means."""

import sys
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from rich.markup import escape
from rich.table import Table

from install.api import Instance
from install.errors import FAILED, SettingError
from install.summary import console_on

PATH = "/api/v4/ai/explanations"
CODES_PATH = "/api/v4/ai/error_codes"
DEFAULT_FEATURE = "duo_chat"
MARKS = {"passed": "✓", "failed": "✗", "unknown": "?", "not_reached": "·"}
COLOURS = {"permitted": "green", "refused": "red", "unknown": "yellow"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked; without a user it is about whose token is used, without a feature chat."""

    user: str | None = None
    feature: str | None = None
    namespace: str | None = None
    project: str | None = None
    model: str | None = None
    address: str | None = None
    decision: str | None = None


def ask(instance: Instance, question: Question) -> dict[str, Any]:
    """The instance's answer.

    Raises:
        SettingError: a recorded decision together with what it already says.
        InstanceRefusedError: with the instance's own code and sentence.
    """
    if question.decision is not None:
        if question != Question(decision=question.decision):
            sentence = "--decision already says who asked for what; give it alone."
            raise SettingError(sentence)
        return dict(instance.ask("GET", f"{PATH}/{quote(question.decision, safe='')}"))
    asked = {
        "username": question.user,
        "feature": question.feature or DEFAULT_FEATURE,
        "namespace_id": _numbered(instance, "groups", question.namespace),
        "project_id": _numbered(instance, "projects", question.project),
        "model": question.model,
        "address": question.address,
    }
    query = urlencode({name: value for name, value in asked.items() if value is not None})
    return dict(instance.ask("GET", f"{PATH}?{query}"))


def meaning(instance: Instance, code: str, question: Question) -> dict[str, str]:
    """What an error code of an AI action means, and what helps; nothing else is asked beside it.

    Raises:
        SettingError: there is no such code, or something else is asked.
        InstanceRefusedError: with the instance's own code and sentence.
    """
    if question != Question():
        sentence = "--code is about nobody in particular; give it alone."
        raise SettingError(sentence)
    known = {each["code"]: each for each in instance.ask("GET", CODES_PATH)}
    found = known.get(code.strip().upper())
    if found is None:
        sentence = f"There is no error code {code}; there are {', '.join(sorted(known))}."
        raise SettingError(sentence)
    return dict(found)


def _numbered(instance: Instance, kind: str, named: str | None) -> int | None:
    if named is None or named.isdecimal():
        return None if named is None else int(named)
    return int(instance.ask("GET", f"/api/v4/{kind}/{quote(named, safe='')}")["id"])


def exit_code(answer: dict[str, Any]) -> int:
    """0 when it is permitted now."""
    return 0 if _explanation(answer).get("verdict") == "permitted" else FAILED


def _explanation(answer: dict[str, Any]) -> dict[str, Any]:
    if "decision_id" in answer:
        return answer["explanation"] or {}
    return answer


def show(answer: dict[str, Any]) -> None:
    """The checks in order, with what would change the one that decides."""
    console = console_on(sys.stdout)
    if "decision_id" in answer:
        console.print(escape(_recollection(answer)), soft_wrap=True)
    found = _explanation(answer)
    if not found:
        return
    table = Table(box=None, padding=(0, 2), pad_edge=False, show_header=False)
    table.add_column(no_wrap=True)
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for check in found["checks"]:
        table.add_row(MARKS[check["state"]], check["name"], escape(check["sentence"]))
        if check["change"]:
            table.add_row("", "", escape(f"→ {check['change']}"))
    console.print(table)
    colour = COLOURS[found["verdict"]]
    code = f" ({_codes(found)})" if found["code"] else ""
    word = f"[{colour}]{found['verdict']}[/{colour}]{code}"
    # An instance that is one release older does not say which model is meant.
    model = f" with the model {found['model']}" if found.get("model") else ""
    console.print(f"{escape(found['unit_primitive'] + model)} is {word}", soft_wrap=True)


def _codes(found: dict[str, Any]) -> str:
    # One release older, it does not say what the user is shown.
    shown = found.get("ai_action_code")
    return f"{found['code']}; {shown} in chat and AI actions" if shown else str(found["code"])


def _recollection(answer: dict[str, Any]) -> str:
    model = f" with the model {answer['model']}" if answer["model"] else ""
    told = (
        f"{answer['happened_at']}: {answer['unit_primitive']}{model} was refused "
        f"({answer['code']})."
    )
    if answer["note"]:
        told += f" {answer['note']}"
    if answer["explanation"] is None:
        return f"{told} Who asked for what is not known, or not any more."
    now = {True: "It would still be refused:", False: "It would be permitted now:"}
    return f"{told} {now.get(answer['would_still_be_refused'], 'As things are now:')}"
