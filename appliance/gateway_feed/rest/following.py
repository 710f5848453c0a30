"""The feed as a stream: one line for each thing that is new, and one when there is none."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import msgspec
import structlog
from litestar import Request, get
from litestar.di import NamedDependency
from litestar.params import FromQuery
from litestar.types import ASGIApp, Receive, Scope, Send

from appliance.accounts.rules import Access
from appliance.gateway_feed import rules, usecases
from appliance.gateway_feed.errors import AssertionRefusedError
from appliance.gateway_feed.rest.accepting import Clock, accept
from appliance.gateway_feed.rest.streams import Seat, Streams
from appliance.gateway_feed.usecases import Sources, Step, Wish
from appliance.storage.engine import DatabaseUnavailableError, Db, Session
from appliance.storage.identity import Identity
from gateway.contract.feed import HEARTBEAT_S, STREAM_PATH, STREAM_TYPE, SignedFeed

# Then the gateway comes back, to whichever process takes it.
LASTS_S = 3600.0
# Who does not take a line for so long is not there any more, or far too slow.
TAKEN_WITHIN_S = 10.0
HEADERS = [
    (b"content-type", STREAM_TYPE.encode()),
    (b"cache-control", b"no-store"),
    # A proxy that collects lines before it passes them on would make the feed late.
    (b"x-accel-buffering", b"no"),
]

_log = structlog.get_logger()


class Following:
    """One gateway's stream, an ASGI application; of what is told it holds one line at a time.

    Not Litestar's own stream: that waits without end for a client that takes nothing.
    """

    def __init__(
        self, wish: Wish, *, db: Db, streams: Streams, sources: Sources, clock: Clock
    ) -> None:
        self._wish = wish
        self._db = db
        self._streams = streams
        self._sources = sources
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Tells everything until the gateway leaves, is removed, or the stream's time is up.

        Raises:
            AssertionRefusedError: the gateway was removed before the first line.
        """
        del scope
        with self._streams.seat(self._wish.gateway_id) as seat:
            first = await self._first()
            await send({"type": "http.response.start", "status": 200, "headers": HEADERS})
            async with anyio.create_task_group() as group:
                group.start_soon(_wait_for_leaving, receive, group.cancel_scope)
                await self._tell(first, seat, send)
                group.cancel_scope.cancel()

    async def _first(self) -> Step:
        now = self._clock()
        step = await self._db.read(
            lambda session: usecases.open_stream(
                session, self._wish, sources=self._sources, now=now
            )
        )
        if step is None:
            raise AssertionRefusedError(reason="gateway_unknown")
        return step

    async def _tell(self, first: Step, seat: Seat, send: Send) -> None:
        async for signed in self._documents(first, seat):
            line = msgspec.json.encode(signed) + b"\n"
            with anyio.move_on_after(TAKEN_WITHIN_S) as patience:
                await send({"type": "http.response.body", "body": line, "more_body": True})
            if patience.cancelled_caught:
                _log.warning("feed_stream_ended", reason="too_slow", gateway=seat.gateway_id)
                return
        with anyio.move_on_after(TAKEN_WITHIN_S):
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _documents(self, first: Step, seat: Seat) -> AsyncIterator[SignedFeed]:
        standpoint = first.standpoint
        ends_at = asyncio.get_running_loop().time() + LASTS_S
        yield first.signed
        while asyncio.get_running_loop().time() < ends_at:
            with anyio.move_on_after(HEARTBEAT_S):
                await seat.news.wait()
            if seat.must_end:
                return
            if seat.news.is_set():
                # Before reading: what is committed meanwhile is told with this, or once more.
                seat.news.clear()
                step = await self._next(standpoint)
                if step is None:
                    return
                standpoint = step.standpoint
                yield step.signed
            elif self._streams.are_current:
                yield usecases.heartbeat(standpoint, now=self._clock())

    async def _next(self, standpoint: usecases.Standpoint) -> Step | None:
        now = self._clock()
        try:
            return await self._db.read(
                lambda session: usecases.go_on(session, standpoint, sources=self._sources, now=now)
            )
        except DatabaseUnavailableError:
            return None


async def _wait_for_leaving(receive: Receive, scope: anyio.CancelScope) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()


@get(STREAM_PATH, opt={"access": Access.GATEWAY})
async def follow_feed(  # noqa: PLR0913  # each is injected, or asked for by name
    *,
    request: Request[Any, Any, Any],
    db: NamedDependency[Db],
    identity: NamedDependency[Identity],
    feed_sources: NamedDependency[Sources],
    streams: NamedDependency[Streams],
    clock: NamedDependency[Clock],
    epoch: FromQuery[int | None] = None,
    sequence: FromQuery[int | None] = None,
) -> ASGIApp:
    """Everything that the gateway that asks lacks, then each change as it is made."""
    now = clock()
    assertion = await accept(request, db, identity, now=now)

    def let_in(session: Session) -> None:
        usecases.use_assertion(session, assertion, now=now)
        usecases.mark_streaming(session, {assertion.gateway_id}, now=now)

    await db.write(let_in)
    is_possible = sequence is not None and 0 <= sequence <= rules.MAX_SEQUENCE
    wish = Wish(
        gateway_id=assertion.gateway_id,
        stream=assertion.jti,
        epoch=epoch,
        sequence=sequence if is_possible else None,
    )
    return Following(wish, db=db, streams=streams, sources=feed_sources, clock=clock)


handlers = (follow_feed,)
