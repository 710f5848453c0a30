"""What an action is given by who asks: checked before it is accepted, and trusted from then on."""

from collections.abc import Mapping
from typing import Any

from appliance.ai_actions.rules.catalogue import Action, Field
from appliance.errors import InvalidFieldsError

MAX_NUMBER = 2**63 - 1


def check_inputs(action: Action, given: Mapping[str, Any]) -> None:
    """Passes when an action can be run with what is given; what it does not know is left alone.

    Raises:
        InvalidFieldsError: something is missing, too long, or of another kind.
    """
    problems = {
        name: problem
        for name, field in action.inputs.items()
        if (problem := _problem(field, given.get(name))) is not None
    }
    if problems:
        raise InvalidFieldsError(problems)


def _problem(field: Field, value: Any) -> str | None:
    if value is None:
        return "is required" if field.is_required else None
    if field.kind == "flag":
        return None if isinstance(value, bool) else "must be true or false"
    if field.kind == "number":
        is_number = isinstance(value, int) and not isinstance(value, bool)
        return None if is_number and 0 < value <= MAX_NUMBER else "must be a number"
    return _problem_of_text(field, value)


def _problem_of_text(field: Field, value: Any) -> str | None:
    if not isinstance(value, str):
        return "must be a text"
    if len(value) > field.max_chars:
        return f"must be at most {field.max_chars:,} characters, and has {len(value):,}"
    if field.is_required and not value.strip():
        return "must not be empty"
    return None
