"""Reads a prompt file and checks that it holds together."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from typing import Annotated

import msgspec

from gateway.prompts.prompt import Prompt
from gateway.prompts.template import (
    PLACEHOLDER,
    Fits,
    Input,
    InputType,
    MessageTemplate,
    Part,
    Role,
    Template,
)
from gateway.prompts.versions import BadVersionError, Version

# What an input may have if its file says nothing: more than any model takes.
DEFAULT_CHARS = 400_000


class PromptFileError(ValueError):
    """A prompt file contradicts itself, or another; the text names it and every place."""

    def __init__(self, where: str, *problems: str) -> None:
        super().__init__(f"{where}: {'; '.join(problems)}")


class _Input(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    type: InputType = "text"
    required: bool = False
    max_chars: Annotated[int, msgspec.Meta(gt=0, le=1_000_000)] = DEFAULT_CHARS
    is_trusted: bool = False
    fits: Fits = "never"


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    text: Annotated[str, msgspec.Meta(min_length=1)]
    when: str | None = None
    unless: str | None = None


class _Message(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    role: Role
    parts: Annotated[tuple[_Part, ...], msgspec.Meta(min_length=1)]


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    unit_primitive: str
    max_tokens: Annotated[int, msgspec.Meta(gt=0)]
    temperature: Annotated[float, msgspec.Meta(ge=0, le=2)]
    messages: Annotated[tuple[_Message, ...], msgspec.Meta(min_length=1)]
    stop: Annotated[tuple[str, ...], msgspec.Meta(max_length=4)] = ()
    flag: str | None = None
    inputs: dict[Annotated[str, msgspec.Meta(pattern="^[a-z][a-z0-9_]*$")], _Input] = {}


def parse_prompt(text: str, *, prompt_id: str, family: str, version: str) -> Prompt:
    """Reads one version of a prompt; its name, family and version are those of its place.

    Raises:
        PromptFileError: not TOML of the expected shape, a name that nothing declares, or an
            input that is never shown.
    """
    where = f"{prompt_id}/{family}/{version}"
    try:
        read = msgspec.convert(tomllib.loads(text), _File)
        parsed = Version.parse(version)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError, BadVersionError) as cause:
        raise PromptFileError(where, str(cause)) from cause
    problems = list(_problems(read))
    if problems:
        raise PromptFileError(where, *problems)
    return Prompt(
        id=prompt_id,
        version=parsed,
        family=family,
        unit_primitive=read.unit_primitive,
        template=_template(read),
        max_tokens=read.max_tokens,
        temperature=read.temperature,
        stop=read.stop,
        flag=read.flag,
    )


def _template(read: _File) -> Template:
    return Template(
        inputs={
            name: Input(
                name=name,
                type=each.type,
                is_required=each.required,
                max_chars=each.max_chars,
                is_trusted=each.is_trusted,
                fits=each.fits,
            )
            for name, each in read.inputs.items()
        },
        messages=tuple(
            MessageTemplate(
                role=message.role,
                parts=tuple(
                    Part(text=part.text.strip(), when=part.when, unless=part.unless)
                    for part in message.parts
                ),
            )
            for message in read.messages
        ),
    )


def _problems(read: _File) -> Iterator[str]:
    parts = [part for message in read.messages for part in message.parts]
    shown = Counter(name for part in parts for name in PLACEHOLDER.findall(part.text))
    conditions = {name for part in parts for name in (part.when, part.unless) if name}
    for name in sorted((shown.keys() | conditions) - read.inputs.keys()):
        yield f"no input {name!r} is declared"
    for name, declared in read.inputs.items():
        if name not in shown and name not in conditions:
            yield f"the input {name!r} is never used"
        if declared.fits != "never" and shown[name] != 1:
            yield f"the input {name!r} may be cut, so it must be shown once"
        if declared.type == "flag" and name in shown:
            yield f"the flag {name!r} has no text to show"
    for part in parts:
        yield from _badly_conditioned(part, read)
        if PLACEHOLDER.sub("", part.text).count("{{"):
            yield "what is between {{ and }} is no name"


def _badly_conditioned(part: _Part, read: _File) -> Iterator[str]:
    for name in PLACEHOLDER.findall(part.text):
        declared = read.inputs.get(name)
        if declared is not None and not declared.required and part.when != name:
            yield f"the input {name!r} may be absent, so its part must say when = {name!r}"
