"""Reads the text out of an engine's answer, event by event, and what the engine counted."""

import msgspec

from gateway.upstream.usage import Usage

_DATA = b"data:"
_DONE = b"[DONE]"
# No engine's event is longer, and no answer has more text; something else answers there.
MAX_EVENT_BYTES = 1024 * 1024
MAX_ANSWER_CHARS = 4 * 1024 * 1024


class _Said(msgspec.Struct):
    content: str | None = None


class _Choice(msgspec.Struct):
    delta: _Said | None = None
    message: _Said | None = None
    finish_reason: str | None = None


class _Event(msgspec.Struct):
    """One that says of an error is none, as engines end a stream so that has begun well."""

    choices: list[_Choice] = []
    usage: Usage | None = None
    error: None = None


_event = msgspec.json.Decoder(_Event)


class Deltas:
    """Takes the bytes of one answer as they come, a stream of events or one JSON object.

    `is_complete`: the engine has said that this was all. `is_broken`: what came is no answer, or
    says that the engine failed; nothing is read after that.
    """

    __slots__ = ("_held", "_is_stream", "_room", "is_broken", "is_complete", "is_done", "usage")

    def __init__(self, *, is_stream: bool) -> None:
        self._held = b""
        self._is_stream = is_stream
        self._room = MAX_ANSWER_CHARS
        self.is_broken = False
        self.is_complete = False
        # Nothing will follow, whether or not the connection has ended.
        self.is_done = False
        self.usage: Usage | None = None

    def feed(self, data: bytes) -> str:
        """The text in it; the start of an unfinished event is held back for the next call."""
        lines: list[bytes] = []
        self._held += data
        if self._is_stream:
            *lines, self._held = self._held.split(b"\n")
        text = "".join([self._read(line) for line in lines])
        self._room -= len(text)
        if len(self._held) > MAX_EVENT_BYTES or self._room < 0:
            self._held, self.is_broken = b"", True
        return text

    def finish(self) -> str:
        """What was held back when the answer ended."""
        held, self._held = self._held, b""
        return self._read(held if self._is_stream else _DATA + held)

    def _read(self, line: bytes) -> str:
        if self.is_broken or self.is_done or not line.startswith(_DATA):
            return ""
        content = line[len(_DATA) :].strip()
        if content == _DONE:
            self.is_complete = self.is_done = True
            return ""
        try:
            event = _event.decode(content)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            self.is_broken = True
            return ""
        self.usage = event.usage or self.usage
        if not event.choices:
            return ""
        choice = event.choices[0]
        self.is_complete = self.is_complete or choice.finish_reason is not None
        said = choice.delta or choice.message
        return (said.content if said else None) or ""
