import asyncio
import gc
import itertools
from collections.abc import AsyncGenerator
from contextlib import aclosing
from types import SimpleNamespace
from typing import Any, cast

import pytest
import strawberry
from structlog.testing import capture_logs

from appliance.errors import NotFoundError
from appliance.fields.resolving import Context
from appliance.graphql.rest.executing import (
    Answered,
    Answering,
    Event,
    Operation,
    Refused,
    Subscribed,
)
from appliance.graphql.rest.refusals import FAULT, NOT_AVAILABLE
from appliance.graphql.schema import Schema

CONTEXT = cast("Context", SimpleNamespace())


@strawberry.type
class Query:
    here: str = "here"


class Source:
    """What a field yields from, and whether it was closed."""

    def __init__(self) -> None:
        self.is_closed = False
        self.waits = asyncio.Event()


SOURCES: list[Source] = []


async def said(
    *texts: str | None, fault: Exception | None = None
) -> AsyncGenerator[str | None, None]:
    SOURCES.append(source := Source())
    try:
        for each in texts:
            yield each
        if fault is not None:
            raise fault
        source.waits.set()
        await asyncio.Event().wait()
    finally:
        source.is_closed = True


@strawberry.type
class Count:
    number: int


async def counted() -> AsyncGenerator[Count | None, None]:
    yield None
    for number in itertools.count():
        yield Count(number=number)


@strawberry.type
class Subscription:
    @strawberry.subscription
    def counted(self) -> AsyncGenerator[Count | None]:
        return counted()

    @strawberry.subscription
    def said(self, what: str | None = None, then: str | None = None) -> AsyncGenerator[str | None]:
        faults = {"missing": NotFoundError(what="Said"), "broken": RuntimeError("secret")}
        if what in faults:
            raise faults[what]
        return said(None, "one", fault=faults.get(then or ""))

    @strawberry.subscription
    def late(self, then: str) -> AsyncGenerator[str | None]:
        return said(fault=NotFoundError(what="Said")) if then == "missing" else said("at once")

    @strawberry.subscription
    async def awaited(self) -> AsyncGenerator[str | None]:
        yield None


@pytest.fixture
def answering() -> Answering:
    SOURCES.clear()
    return Answering(Schema(query=Query, subscription=Subscription), lambda *_: CONTEXT)


async def all_events(answering: Answering, query: str, **variables: Any) -> list[Event]:
    operation = Operation(query=query, variables=variables)
    async with aclosing(answering.events(operation, CONTEXT)) as events:
        return [each async for each in events]


async def test_first_it_has_subscribed_and_then_there_are_answers(answering: Answering) -> None:
    operation = Operation(query="subscription { heard: said }")
    async with aclosing(answering.events(operation, CONTEXT)) as events:
        assert await anext(events) == Subscribed(answer={"data": {"heard": None}})
        assert await anext(events) == Answered(answer={"data": {"heard": "one"}}, has_more=True)
        assert [each.is_closed for each in SOURCES] == [False]
    assert [each.is_closed for each in SOURCES] == [True]


async def test_who_stops_waiting_closes_the_source(answering: Answering) -> None:
    waiting = asyncio.create_task(all_events(answering, "subscription { said }"))
    while not SOURCES:
        await asyncio.sleep(0.005)
    await SOURCES[0].waits.wait()
    waiting.cancel()
    await asyncio.wait([waiting])
    assert [each.is_closed for each in SOURCES] == [True]


async def test_a_source_that_says_nothing_first_is_heard_all_the_same(answering: Answering) -> None:
    operation = Operation(query='subscription { late(then: "x") }')
    async with aclosing(answering.events(operation, CONTEXT)) as events:
        assert await anext(events) == Answered(answer={"data": {"late": "at once"}}, has_more=True)


async def test_a_source_that_ends_ends_the_answers(answering: Answering) -> None:
    assert await all_events(answering, "subscription { awaited }") == [
        Subscribed(answer={"data": {"awaited": None}})
    ]


@pytest.mark.parametrize(
    ("field", "message"),
    [
        ('said(what: "missing")', NOT_AVAILABLE),
        ('said(what: "broken")', FAULT),
        ('late(then: "missing")', NOT_AVAILABLE),
    ],
)
async def test_a_source_that_is_refused_is_masked_like_anything_else(
    answering: Answering, field: str, message: str
) -> None:
    with capture_logs() as logs:
        (event,) = await all_events(answering, f"subscription {{ {field} }}")
    assert isinstance(event, Refused)
    assert [each["message"] for each in event.errors] == [message]
    assert len(logs) == 1


async def test_a_source_that_breaks_later_is_told_and_over(answering: Answering) -> None:
    with capture_logs() as logs:
        *_, last = await all_events(answering, 'subscription { said(then: "broken") }')
    assert isinstance(last, Answered)
    assert last.answer["errors"][0]["message"] == FAULT
    assert [each["event"] for each in logs] == ["graphql_failed"]


async def test_what_is_not_valid_is_refused_again_and_again(answering: Answering) -> None:
    for _ in range(2):
        (event,) = await all_events(answering, "subscription { said here }")
        assert isinstance(event, Refused)


async def test_wrong_values_are_refused(answering: Answering) -> None:
    query = "subscription ($what: String) { said(what: $what) }"
    (event,) = await all_events(answering, query, what=["secret"])
    assert isinstance(event, Refused)
    assert "secret" not in str(event)


async def test_what_was_heard_is_not_kept(answering: Answering) -> None:
    operation = Operation(query="subscription { counted { number } }")
    async with aclosing(answering.events(operation, CONTEXT)) as events:
        for _ in range(20):
            await anext(events)
        gc.collect()
        before = len(gc.get_objects())
        for _ in range(200):
            await anext(events)
        gc.collect()
        assert len(gc.get_objects()) - before < 100
