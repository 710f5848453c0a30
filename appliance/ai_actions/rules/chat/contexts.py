"""What comes along with a question in chat, from the user's editor or page."""

import json
from collections.abc import Collection, Mapping
from typing import Any

from appliance.errors import InvalidFieldsError

CATEGORIES = frozenset(
    {
        "agent_user_environment",
        "dependency",
        "directory",
        "file",
        "issue",
        "local_git",
        "merge_request",
        "repository",
        "snippet",
        "terminal",
        "user_rule",
    }
)
MAX_CODE_CHARS = 100_000
MAX_NAME_CHARS = 1_000
MAX_ITEMS = 50
MAX_ITEM_CHARS = 100_000
MAX_METADATA_CHARS = 10_000
# All of it is kept with the request until that has ended.
MAX_TOTAL_CHARS = 400_000

_CODE = ("selected_text", "content_above_cursor", "content_below_cursor")


def chat_inputs(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What a question in chat is accepted with; its `content` is the catalogue's to check.

    Raises:
        InvalidFieldsError: a part is too long, or of a kind that is not known.
    """
    problems: dict[str, str] = {}
    current = raw.get("current_file")
    sent = raw.get("additional_context") or []
    if current is not None:
        problems |= _problems_of_file(current)
    problems |= _problems_of_items(sent)
    if problems:
        raise InvalidFieldsError(problems)
    inputs: dict[str, Any] = {"content": raw.get("content")}
    if current is not None:
        inputs["current_file"] = {name: current.get(name) or "" for name in ("file_name", *_CODE)}
    if sent:
        inputs["additional_context"] = [_item(each) for each in sent]
    return inputs


def scope_of(category: str) -> str:
    """What opens a category of additional context."""
    return f"include_{category}_context"


def closed_context(inputs: Mapping[str, Any], scopes: Collection[str]) -> str | None:
    """The first category of what was sent along that those scopes do not open."""
    categories = (each["category"] for each in inputs.get("additional_context") or ())
    return next((each for each in categories if scope_of(each) not in scopes), None)


def file_for_model(inputs: Mapping[str, Any]) -> dict[str, Any] | None:
    """The file that the user looks at: what is selected of it, else what is around the cursor."""
    current = inputs.get("current_file")
    if not current:
        return None
    selected = current["selected_text"]
    around = current["content_above_cursor"] + current["content_below_cursor"]
    if not selected.strip() and not around.strip():
        return None
    return {
        "file_path": current["file_name"],
        "data": selected if selected.strip() else around,
        "selected_code": bool(selected.strip()),
    }


def context_for_model(inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What was sent along, as the gateway wants it."""
    return [dict(each) for each in inputs.get("additional_context") or ()]


def context_for_user(inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The same as pages show it again: without its text, which is the user's own."""
    return [{**each, "content": ""} for each in inputs.get("additional_context") or ()]


def _item(each: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "category": each["category"],
        "id": each.get("id") or "",
        "content": each.get("content") or "",
        "metadata": each.get("metadata"),
    }


def _problems_of_file(current: Mapping[str, Any]) -> dict[str, str]:
    longest = {"file_name": MAX_NAME_CHARS} | dict.fromkeys(_CODE, MAX_CODE_CHARS)
    return {
        f"current_file.{name}": problem
        for name, most in longest.items()
        if (problem := _problem_of_text(current.get(name), most))
    }


def _problems_of_items(sent: Collection[Mapping[str, Any]]) -> dict[str, str]:
    if len(sent) > MAX_ITEMS:
        return {"additional_context": f"must have at most {MAX_ITEMS} items"}
    for number, each in enumerate(sent, 1):
        if problem := _problem_of_item(each):
            return {"additional_context": f"number {number}: {problem}"}
    if sum(len(each.get("content") or "") for each in sent) > MAX_TOTAL_CHARS:
        return {"additional_context": f"must have at most {MAX_TOTAL_CHARS:,} characters together"}
    return {}


def _problem_of_item(each: Mapping[str, Any]) -> str | None:
    if each.get("category") not in CATEGORIES:
        return "its category is not known"
    if len(json.dumps(each.get("metadata"))) > MAX_METADATA_CHARS:
        return f"its metadata must have at most {MAX_METADATA_CHARS:,} characters"
    return _problem_of_text(each.get("id"), MAX_NAME_CHARS) or _problem_of_text(
        each.get("content"), MAX_ITEM_CHARS
    )


def _problem_of_text(value: Any, most: int) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        return "must be a text"
    return None if len(value) <= most else f"must have at most {most:,} characters"
