"""Leaves out what a model thought aloud before it answered."""

_OPENING = "<think>"
_CLOSING = "</think>"


class ThoughtFilter:
    """Takes an answer as it comes and drops blocks of thoughts at its start.

    A block that never ends is dropped whole: it is no answer.
    """

    def __init__(self) -> None:
        self._held = ""
        self._is_thinking = False
        self._is_answer = False

    def feed(self, delta: str) -> str:
        """What of the answer is now known to be shown."""
        if self._is_answer:
            return delta
        self._held += delta
        self._drop_thoughts()
        # Blanks before the answer are of no use to anyone, and may be endless.
        self._held = self._held.lstrip()
        if self._is_thinking or _OPENING.startswith(self._held):
            return ""
        self._is_answer = True
        return self.finish()

    def finish(self) -> str:
        """What was held back and turned out to be no beginning of thoughts."""
        rest = "" if self._is_thinking else self._held
        self._held = ""
        return rest

    def _drop_thoughts(self) -> None:
        while True:
            if self._is_thinking:
                _, closing, rest = self._held.partition(_CLOSING)
                if not closing:
                    # Only what may be the beginning of the end is kept.
                    self._held = self._held[-len(_CLOSING) :]
                    return
                self._held, self._is_thinking = rest, False
            text = self._held.lstrip()
            if not text.startswith(_OPENING):
                return
            self._held, self._is_thinking = text.removeprefix(_OPENING), True
