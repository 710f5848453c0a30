"""What is told of one permitted model call: before it goes out, and before its last byte is in."""

import time

import msgspec

from gateway.contract.events import Outcome, UsageEvent
from gateway.issuer.spool.spool import Spool
from gateway.upstream.usage import Usage


class Account:
    """One call's line in the books; it is settled once, and later tries change nothing."""

    __slots__ = ("_event", "_spool", "_started", "first_token_at", "outcome", "status", "usage")

    def __init__(self, event: UsageEvent, spool: Spool, *, started: float) -> None:
        self._event = event
        self._spool = spool if spool.open(event) else None
        self._started = started
        # Of `time.perf_counter`, as `started`; 0 until something has come.
        self.first_token_at = 0.0
        self.outcome: Outcome | None = None
        self.status = 0
        self.usage: Usage | None = None

    @property
    def event_id(self) -> str:
        """The event's name within this gateway."""
        return self._event.event_id

    def settle(self, outcome: Outcome, status: int, usage: Usage | None) -> None:
        """Says how the call ended."""
        if self.outcome is not None:
            return
        self.outcome, self.status, self.usage = outcome, status, usage
        if self._spool is None:
            return
        ended = time.perf_counter()
        first_ms = (self.first_token_at - self._started) * 1000 if self.first_token_at else None
        self._spool.settle(
            msgspec.structs.replace(
                self._event,
                outcome=outcome,
                status=status,
                prompt_tokens=usage.prompt_tokens if usage else None,
                completion_tokens=usage.completion_tokens if usage else None,
                first_token_ms=None if first_ms is None else round(first_ms, 3),
                duration_ms=round((ended - self._started) * 1000, 3),
            )
        )
