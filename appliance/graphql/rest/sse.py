"""Answers an operation as server-sent events: a connection for each, as graphql-sse has it."""

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, assert_never

from anyio import CancelScope
from litestar.response import Stream
from litestar.serialization import encode_json

from appliance.accounts.errors import UnauthorizedError, UserBlockedError
from appliance.accounts.rules import Caller
from appliance.fields.resolving import Context
from appliance.graphql.rest.executing import (
    Answered,
    Answering,
    Event,
    Operation,
    Refused,
    Subscribed,
)
from appliance.graphql.rest.sockets import Sockets
from appliance.storage.engine import DatabaseUnavailableError

MEDIA_TYPE = "text/event-stream"
# Proxies that gather answers would hold these back.
HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
# A comment, which also finds out that nobody is there any more.
HEARTBEAT = b":\n\n"
COMPLETE = b"event: complete\ndata:\n\n"


def stream(
    operation: Operation, context: Context, *, answering: Answering, sockets: Sockets
) -> Stream:
    """The answer to the operation, event by event."""
    told = _told(answering.events(operation, context), context, sockets)
    return Stream(told, media_type=MEDIA_TYPE, headers=HEADERS)


async def _told(
    events: AsyncGenerator[Event, None], context: Context, sockets: Sockets
) -> AsyncGenerator[bytes, None]:
    is_over = asyncio.Event()

    async def goodbye() -> None:
        is_over.set()

    with sockets.open(goodbye):
        async with aclosing(
            _paced(events, is_over, caller=context.caller, sockets=sockets)
        ) as found:
            async for event in found:
                match event:
                    case None:
                        yield HEARTBEAT
                    case Refused():
                        yield _next({"errors": event.errors})
                    case Answered():
                        yield _next(event.answer)
                    case Subscribed():
                        continue
                    case _:
                        assert_never(event)
    yield COMPLETE


def _next(answer: Mapping[str, Any]) -> bytes:
    return b"event: next\ndata: " + encode_json(answer) + b"\n\n"


async def _paced(
    events: AsyncGenerator[Event, None],
    is_over: asyncio.Event,
    *,
    caller: Caller,
    sockets: Sockets,
) -> AsyncGenerator[Event | None, None]:
    """The same, with None when nothing came for a while; ends also with the caller's right."""
    loop, times = asyncio.get_running_loop(), sockets.times
    due = loop.time() + times.recheck
    ending = asyncio.create_task(is_over.wait())
    coming = asyncio.create_task(_after(events))
    try:
        while True:
            awaited = [ending, coming]
            await asyncio.wait(
                awaited, timeout=times.heartbeat, return_when=asyncio.FIRST_COMPLETED
            )
            if loop.time() >= due:
                due = loop.time() + times.recheck
                await sockets.check_again(caller)
            if ending.done():
                return
            if not coming.done():
                yield None
            elif (event := coming.result()) is None:
                return
            else:
                yield event
                coming = asyncio.create_task(_after(events))
    except (UnauthorizedError, UserBlockedError, DatabaseUnavailableError):
        return
    finally:
        # Who has left cancels again and again; what was begun for them must still end.
        with CancelScope(shield=True):
            for each in (ending, coming):
                each.cancel()
            await asyncio.wait([ending, coming])
            await events.aclose()


async def _after(events: AsyncGenerator[Event, None]) -> Event | None:
    return await anext(events, None)
