"""Knows which gateways follow the feed in this process, and wakes them when there is news."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field

import structlog

from appliance.gateway_feed import usecases
from appliance.gateway_feed.rest.accepting import Clock
from appliance.storage.engine import DatabaseUnavailableError, Db
from appliance.storage.outbox import last_sequence

# What another process committed, nobody tells: it is looked for so often.
LOOK_EVERY_S = 0.25
# Without a look for so long nobody may say that nothing changed.
CURRENT_FOR_S = 1.0
MARK_EVERY_S = 3.0
# A gateway has one stream; while it changes over, or behind a broken line, there may be more.
MAX_STREAMS_EACH = 4

_log = structlog.get_logger()


@dataclass(slots=True, eq=False)
class Seat:
    """One open stream; `news` is set when there is something to tell, or when it must end."""

    gateway_id: str
    news: asyncio.Event = field(default_factory=asyncio.Event)
    must_end: bool = False

    def end(self) -> None:
        """Asks the stream to end."""
        self.must_end = True
        self.news.set()


class Streams:
    """All open streams of this process; nothing is looked for while there are none."""

    def __init__(self, db: Db, *, clock: Clock) -> None:
        self._db = db
        self._clock = clock
        self._seats: list[Seat] = []
        self._occupied = asyncio.Event()
        self._look_now = asyncio.Event()
        self._sequence: int | None = None
        self._looked_at = float("-inf")
        self._is_stopping = False
        self._is_over = asyncio.Event()

    @property
    def are_current(self) -> bool:
        """Whether what was committed a moment ago has been seen."""
        return asyncio.get_running_loop().time() - self._looked_at < CURRENT_FOR_S

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Looks for news for as long as the block lasts; all streams end with it."""
        loop = asyncio.get_running_loop()

        def tell() -> None:
            # The loop may be gone by the time that another thread has committed.
            with suppress(RuntimeError):
                loop.call_soon_threadsafe(self._look_now.set)

        stop_watching = self._db.watch(tell)
        tasks = [asyncio.create_task(each) for each in (self._look_on(), self._mark_on())]
        try:
            yield
        finally:
            self.stop()
            stop_watching()
            # Nothing is cancelled: a thread would go on, with a connection that nobody closes.
            for each in (self._is_over, self._occupied, self._look_now):
                each.set()
            await asyncio.gather(*tasks)

    def stop(self) -> None:
        """Ends every stream, and each that is asked for from now on."""
        self._is_stopping = True
        self._end(self._seats)

    @contextmanager
    def seat(self, gateway_id: str) -> Iterator[Seat]:
        """A place for one more stream of a gateway; its oldest one gives way if it has many."""
        own = [each for each in self._seats if each.gateway_id == gateway_id and not each.must_end]
        self._end(own[: len(own) + 1 - MAX_STREAMS_EACH] if len(own) >= MAX_STREAMS_EACH else [])
        taken = Seat(gateway_id)
        self._seats.append(taken)
        self._occupied.set()
        self._look_now.set()
        if self._is_stopping:
            taken.end()
        try:
            yield taken
        finally:
            self._seats.remove(taken)
            if not self._seats:
                self._occupied.clear()

    def _end(self, seats: list[Seat]) -> None:
        for seat in tuple(seats):
            seat.end()

    async def _look_on(self) -> None:
        while not self._is_over.is_set():
            await self._occupied.wait()
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY_S):
                    await self._look_now.wait()
            self._look_now.clear()
            await self._look()

    async def _look(self) -> None:
        try:
            sequence = await self._db.read(last_sequence)
        except DatabaseUnavailableError:
            # Who is told nothing asks again, and then hears why.
            _log.warning("feed_streams_ended", reason="database_unavailable")
            self._end(self._seats)
            return
        self._looked_at = asyncio.get_running_loop().time()
        if sequence != self._sequence:
            self._sequence = sequence
            for seat in self._seats:
                seat.news.set()

    async def _mark_on(self) -> None:
        while not self._is_over.is_set():
            with suppress(TimeoutError):
                async with asyncio.timeout(MARK_EVERY_S):
                    await self._is_over.wait()
            if gateway_ids := {each.gateway_id for each in self._seats if not each.must_end}:
                await self._mark(gateway_ids)

    async def _mark(self, gateway_ids: set[str]) -> None:
        now = self._clock()
        with suppress(DatabaseUnavailableError):
            await self._db.write(
                lambda session: usecases.mark_streaming(session, gateway_ids, now=now)
            )
