"""Checks what a prompt is given against what it declares."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from gateway.errors import InvalidInputsError
from gateway.prompts.fencing import defused, plain
from gateway.prompts.template import Input


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """An input as it is shown, harmless in any place of a prompt; a flag has no text."""

    declared: Input
    text: str = field(repr=False)


def checked(inputs: Mapping[str, object], declared: Mapping[str, Input]) -> dict[str, Given]:
    """What is given of what is declared; empty, null and a flag that is not set are not given.

    What nothing declares is left out: clients of other releases send more than a prompt uses.

    Raises:
        InvalidInputsError: one is missing, of another type, or too long; it names which.
    """
    given = {name: _checked(inputs.get(name), each) for name, each in declared.items()}
    return {name: each for name, each in given.items() if each is not None}


def _checked(value: object, declared: Input) -> Given | None:
    text = None if value is None or value is False else _text_of(value, declared)
    if text is None or (declared.type != "flag" and not text.strip()):
        if declared.is_required:
            raise _refused(declared, "is missing")
        return None
    if len(text) > declared.max_chars:
        raise _refused(
            declared, f"has {len(text):,} characters, and at most {declared.max_chars:,} are taken"
        )
    return Given(declared=declared, text=plain(text) if declared.is_trusted else defused(text))


def _text_of(value: object, declared: Input) -> str:
    match declared.type:
        case "flag":
            if value is True:
                return ""
            raise _refused(declared, "must be true or false")
        case "text":
            if isinstance(value, str):
                return value
            raise _refused(declared, "must be a text")
        case "list":
            if isinstance(value, str):
                return value
            if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
                return "\n".join(value)
            raise _refused(declared, "must be a text or a list of texts")


def _refused(declared: Input, what: str) -> InvalidInputsError:
    return InvalidInputsError(
        message=f"The input {declared.name!r} of this prompt {what}.",
        param=f"inputs.{declared.name}",
    )
