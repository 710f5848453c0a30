"""Reads what the engine counted from its answers, and takes it out again if nobody asked."""

import msgspec

MARK = b'"usage"'
# What bytes end with that hold the engine's last event.
ENDS = (b"data: [DONE]\n\n", b"data: [DONE]\r\n\r\n")

# A frame longer than this is passed on in pieces instead of being held back whole.
MAX_HELD_BYTES = 1024 * 1024


class Usage(msgspec.Struct, frozen=True):
    """Model text in tokens, as the engine counted it."""

    prompt_tokens: int = 0
    completion_tokens: int = 0


class _Answer(msgspec.Struct):
    usage: Usage | None = None
    choices: list[msgspec.Raw] = []


_decoder = msgspec.json.Decoder(_Answer)


def usage_of(body: bytes) -> Usage | None:
    """The usage of a whole answer; None when it carries none."""
    if MARK not in body:
        return None
    try:
        return _decoder.decode(body).usage
    except msgspec.DecodeError:
        return None


class UsageTap:
    """Sits in a stream of server-sent events, passes bytes on, and keeps the usage it sees.

    With `strip`, the event that carries only usage is taken out; every other byte is unchanged.
    """

    __slots__ = ("_held", "_strip", "usage")

    def __init__(self, *, strip: bool) -> None:
        self._strip = strip
        self._held = b""
        self.usage: Usage | None = None

    def pass_on(self, data: bytes) -> bytes:
        """What to send now; the start of an unfinished event is held back for the next call."""
        if data[-2:] == b"\n\n" and not self._held:
            return data if MARK not in data else self._inspect(data)
        data = self._held + data
        end = max(data.rfind(b"\n\n") + 2, data.rfind(b"\n\r\n") + 3)
        if end < 3:  # noqa: PLR2004  # neither separator was found
            end = len(data) if len(data) > MAX_HELD_BYTES else 0
        self._held = data[end:]
        whole = data[:end]
        return whole if MARK not in whole else self._inspect(whole)

    def finish(self) -> bytes:
        """What was held back when the stream ended inside an event."""
        held, self._held = self._held, b""
        return held

    def _inspect(self, events: bytes) -> bytes:
        kept = []
        separator = b"\r\n\r\n" if b"\r\n\r\n" in events else b"\n\n"
        for event in events.split(separator):
            if MARK in event and self._is_usage_only(event) and self._strip:
                continue
            kept.append(event)
        return separator.join(kept)

    def _is_usage_only(self, event: bytes) -> bool:
        for line in event.splitlines():
            if not line.startswith(b"data:"):
                continue
            try:
                answer = _decoder.decode(line[5:])
            except msgspec.DecodeError:
                return False
            self.usage = answer.usage or self.usage
            return answer.usage is not None and not answer.choices
        return False
