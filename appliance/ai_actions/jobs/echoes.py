"""Delivers answers here that another process of the same instance has ended."""

import asyncio
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime, timedelta

import structlog

from appliance.ai_actions.rules.html import safe_html
from appliance.ai_actions.usecases import Deliveries, ended_elsewhere, final_message
from appliance.storage.engine import DatabaseUnavailableError, Db

LOOK_EVERY_S = 0.25
# Writers' clocks differ, and a transaction becomes visible a while after its moment.
OVERLAP = timedelta(seconds=10)
MAX_REMEMBERED = 10_000

log = structlog.get_logger()


class Echoes:
    """Looks for such answers while somebody waits here; of what is streamed it hears nothing.

    Meant for several processes on one PostgreSQL; SQLite has one.
    """

    def __init__(
        self, db: Db, deliveries: Deliveries, *, worker: str, clock: Callable[[], datetime]
    ) -> None:
        self._db = db
        self._deliveries = deliveries
        self._worker = worker
        self._clock = clock
        self._told: OrderedDict[str, None] = OrderedDict()
        self._since = clock()

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Looks on until the context ends."""
        if self._db.engine.dialect.name == "sqlite":
            yield
            return
        over = asyncio.Event()
        looking = asyncio.create_task(self._look_on(over))
        try:
            yield
        finally:
            over.set()
            await looking

    async def _look_on(self, over: asyncio.Event) -> None:
        while not over.is_set():
            try:
                await self.look()
            except DatabaseUnavailableError as error:
                log.warning("ai_echoes_failed", reason=error.code)
            except Exception:  # the boundary of a background task: the next look may do
                log.exception("ai_echoes_failed")
            try:
                async with asyncio.timeout(LOOK_EVERY_S):
                    await over.wait()
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Delivers what was ended elsewhere since the last look, each once."""
        now, waiting = self._clock(), self._deliveries.user_ids
        if not waiting:
            self._since = now
            return
        moment = self._since - OVERLAP
        found = await self._db.read(
            lambda session: ended_elsewhere(session, moment, user_ids=waiting, worker=self._worker)
        )
        self._since = now
        for ended in found:
            if ended.request.uid in self._told:
                continue
            self._told[ended.request.uid] = None
            html = await asyncio.to_thread(safe_html, ended.answer.content)
            message = final_message(ended, content_html=html)
            self._deliveries.deliver_whole(ended.request, message)
        while len(self._told) > MAX_REMEMBERED:
            self._told.popitem(last=False)
