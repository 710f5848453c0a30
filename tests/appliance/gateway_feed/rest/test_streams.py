import asyncio
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest

from appliance.gateway_feed.rest import streams as module
from appliance.gateway_feed.rest.streams import MAX_STREAMS_EACH, Streams
from appliance.storage.engine import DatabaseUnavailableError, Db
from appliance.storage.outbox import publish
from tests.instance_builders import NOW


class Gone(Db):
    """A database that went away."""

    async def read(self, work: Callable[..., Any]) -> Any:
        del work
        raise DatabaseUnavailableError


async def _ends(seat: module.Seat) -> None:
    async with asyncio.timeout(5):
        while not seat.must_end:
            await seat.news.wait()
            seat.news.clear()


async def test_without_the_database_every_stream_ends(db: Db) -> None:
    with closing(Gone(db.engine.url)) as gone:
        streams = Streams(gone, clock=lambda: NOW)
        async with streams.run():
            with streams.seat("g") as seat:
                await _ends(seat)
                assert not streams.are_current


async def test_a_mark_that_cannot_be_made_is_made_later(
    db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MARK_EVERY_S", 0.01)
    tried = asyncio.Event()

    class NoMarks(Db):
        async def write(self, work: Callable[..., Any]) -> Any:
            del work
            tried.set()
            raise DatabaseUnavailableError

    with closing(NoMarks(db.engine.url)) as refusing:
        streams = Streams(refusing, clock=lambda: NOW)
        async with streams.run():
            with streams.seat("g"):
                for _ in range(2):
                    tried.clear()
                    await asyncio.wait_for(tried.wait(), 5)


async def test_while_it_stops_no_stream_begins(db: Db) -> None:
    streams = Streams(db, clock=lambda: NOW)
    streams.stop()
    with streams.seat("g") as seat:
        assert seat.must_end


async def test_the_oldest_streams_of_a_gateway_give_way(db: Db) -> None:
    streams = Streams(db, clock=lambda: NOW)
    held = [streams.seat("g") for _ in range(MAX_STREAMS_EACH + 2)]
    seats = [each.__enter__() for each in held]
    with streams.seat("other") as other:
        assert [seat.must_end for seat in seats] == [True, True] + [False] * MAX_STREAMS_EACH
        assert not other.must_end
    for each in held:
        each.__exit__(None, None, None)


async def test_a_commit_is_news_and_what_was_seen_is_none(db: Db) -> None:
    streams = Streams(db, clock=lambda: NOW)
    async with streams.run():
        with streams.seat("g") as seat:
            async with asyncio.timeout(5):
                await seat.news.wait()
                assert streams.are_current
                seat.news.clear()
                await db.write(lambda session: publish(session, "user", {"id": 1}, now=NOW))
                await seat.news.wait()
