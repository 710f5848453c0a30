"""What an action has while it runs: its request, the database, and a way to say how far it is."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar
from uuid import uuid4

from appliance.ai_actions.rules import Answer, Message, Request
from appliance.storage.engine import Db, Session

T = TypeVar("T")
Tell = Callable[[Request, Message], object]


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """One run of a request.

    What is told goes to who waits at this moment, and is not kept; `uid` names the answer that all
    of it will be part of.
    """

    request: Request
    db: Db
    clock: Callable[[], datetime]
    tell: Tell
    uid: str

    async def read(self, work: Callable[[Session], T]) -> T:
        """What `work` reads, in a transaction of its own."""
        return await self.db.read(work)

    def tell_chunk(self, text: str, number: int) -> None:
        """Hands on a part of the answer; numbers count from 1, and anew with each try."""
        if self.request.client_subscription_id is not None:
            self.tell(self.request, self._message(content=text, chunk_id=number))

    def tell_tool(self, text: str, extras: Mapping[str, Any] | None = None) -> None:
        """Says that something is being read."""
        self.tell(self.request, self._message(content=text, type="TOOL", extras=extras or {}))

    def _message(self, **said: Any) -> Message:
        is_notice = said.get("type") is not None
        return Message(
            uid=str(uuid4()) if is_notice else self.uid,
            request_uid=self.request.uid,
            role="SYSTEM" if is_notice else "ASSISTANT",
            timestamp=self.clock(),
            thread_id=self.request.thread_id,
            **said,
        )


# Runs one action; raises ActionFailedError, or is cancelled.
Runner = Callable[[Running], Awaitable[Answer]]
