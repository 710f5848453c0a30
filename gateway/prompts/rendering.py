"""Makes messages of a template and what it was given: names are replaced, and nothing is run."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from gateway.errors import PromptTooLongError
from gateway.prompts.cutting import Cut, Piece, fitted
from gateway.prompts.fencing import GUARD, fenced
from gateway.prompts.inputs import Given
from gateway.prompts.template import PLACEHOLDER, MessageTemplate, Template
from gateway.prompts.windows import MESSAGE_TOKENS, estimated_tokens

Message = dict[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """What goes to the model: messages in its order, and parameters of the request beside them."""

    messages: list[Message]
    parameters: dict[str, object]
    cuts: tuple[Cut, ...] = ()


def render(
    template: Template, given: Mapping[str, Given], *, room_tokens: int
) -> tuple[list[Message], tuple[Cut, ...]]:
    """The messages, at most `room_tokens` long as estimated, and what was cut for that.

    Raises:
        PromptTooLongError: they do not fit, even with all cut that may be.
    """
    cuttable = [each for each in given.values() if each.declared.fits != "never"]
    texts = {name: each.text for name, each in given.items()}
    fixed = messages_tokens(
        _messages(template, given, texts | {each.declared.name: "" for each in cuttable})
    )
    pieces = [
        Piece(name=each.declared.name, text=each.text, fits=each.declared.fits) for each in cuttable
    ]
    # A line more for each: tags of a text of several lines stand on lines of their own.
    room = room_tokens - fixed - len(pieces)
    fit = fitted(pieces, room_tokens=room) if room >= 0 else None
    if fit is None:
        raise PromptTooLongError
    shown = dict(zip((each.name for each in pieces), fit[0], strict=True))
    return _messages(template, given, texts | shown), tuple(fit[1])


def messages_tokens(messages: Sequence[Message]) -> int:
    """About how many tokens the messages take."""
    return sum(MESSAGE_TOKENS + estimated_tokens(each["content"]) for each in messages)


def guarded(messages: Sequence[Message]) -> list[Message]:
    """The messages, the first of which now says what to make of what is given."""
    first, *others = messages
    return [first | {"content": f"{first['content']}\n\n{GUARD}"}, *others]


def _messages(
    template: Template, given: Mapping[str, Given], texts: Mapping[str, str]
) -> list[Message]:
    messages = [
        {"role": each.role, "content": "\n\n".join(_paragraphs(each, given, texts))}
        for each in template.messages
    ]
    if any(each.text and not each.declared.is_trusted for each in given.values()):
        messages = guarded(messages)
    return [each for each in messages if each["content"]]


def _paragraphs(
    message: MessageTemplate, given: Mapping[str, Given], texts: Mapping[str, str]
) -> Iterator[str]:
    """What is shown of a message; a text that is put in is not looked at for names again."""
    for part in message.parts:
        if (part.when is None or part.when in given) and part.unless not in given:
            yield PLACEHOLDER.sub(lambda found: _shown(found[1], given, texts), part.text)


def _shown(name: str, given: Mapping[str, Given], texts: Mapping[str, str]) -> str:
    text = texts[name]
    return text if given[name].declared.is_trusted else fenced(name, text)
