"""How the text of an answer is written: whole or as it comes, as GitLab's clients read it."""

import msgspec

from gateway.upstream.usage import Usage

JSON = b"application/json"
# GitLab's gateway calls every stream so.
STREAM = b"text/event-stream; charset=utf-8"


def usage_of(model: str, usage: Usage | None) -> dict[str, object]:
    """What the engine counted, as GitLab writes it; nothing if it counted nothing."""
    if usage is None:
        return {}
    counted = {"input_tokens": usage.prompt_tokens, "output_tokens": usage.completion_tokens}
    return {model: counted}


class WholeText:
    """The answer in one piece, as a JSON string."""

    content_type = JSON
    is_stream = False

    def __init__(self) -> None:
        self._parts: list[str] = []

    def part(self, text: str) -> bytes:
        """Keeps it for the end."""
        self._parts.append(text)
        return b""

    def last(self, usage: Usage | None) -> bytes:
        """The whole answer."""
        del usage
        return msgspec.json.encode("".join(self._parts))


class WholeObject(WholeText):
    """The answer in one piece, with what was counted for `model`."""

    def __init__(self, model: str) -> None:
        super().__init__()
        self._model = model

    def last(self, usage: Usage | None) -> bytes:
        """The whole answer."""
        counted = usage_of(self._model, usage)
        return msgspec.json.encode({"content": "".join(self._parts), "usage": counted})


class RawText:
    """The text as it comes."""

    content_type = STREAM
    is_stream = True

    def part(self, text: str) -> bytes:
        """The text itself."""
        return text.encode("utf-8", "replace")

    def last(self, usage: Usage | None) -> bytes:
        """Nothing."""
        del usage
        return b""


class Lines:
    """One JSON object a line; the last has no text, and what was counted for `model`."""

    content_type = STREAM
    is_stream = True

    def __init__(self, model: str) -> None:
        self._model = model

    def part(self, text: str) -> bytes:
        """A line."""
        return msgspec.json.encode({"content": text}) + b"\n"

    def last(self, usage: Usage | None) -> bytes:
        """The last line."""
        counted = usage_of(self._model, usage)
        return msgspec.json.encode({"content": "", "usage": counted}) + b"\n"
