import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx

from appliance.graphql.rest.operations import PATH
from tests.appliance.graphql.rest.conftest import LISTEN, ME, PATIENCE_S, Live

EVENTS = {"Accept": "text/event-stream"}


@dataclass
class Events:
    """One open answer, read event by event."""

    lines: AsyncIterator[str]

    async def block(self) -> list[str]:
        """The lines up to the next empty one; none at the end."""
        found: list[str] = []
        async with asyncio.timeout(PATIENCE_S):
            async for line in self.lines:
                if not line:
                    return found
                found.append(line)
        return found

    async def next(self) -> Any:
        """What the next event says, if it is one of that name; its lines otherwise."""
        block = await self.block()
        if block[:1] != ["event: next"]:
            return block
        return json.loads(block[1].removeprefix("data: "))


@asynccontextmanager
async def asked(live: Live, query: str, **variables: Any) -> AsyncIterator[Events]:
    body = {"query": query, "variables": variables}
    async with (
        live.http() as http,
        http.stream("POST", PATH, json=body, headers=EVENTS) as answer,
    ):
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["cache-control"] == "no-cache"
        yield Events(answer.aiter_lines())


async def test_a_subscription_is_answered_event_by_event(live: Live) -> None:
    async with asked(live, LISTEN, **ME) as events:
        await live.listeners(1)
        for content in ("one", "two"):
            live.deliver(content)
            got = await events.next()
            assert got["data"]["aiCompletionResponse"]["content"] == content
        live.deliveries.stop()
        assert await events.next() == ["event: complete", "data:"]
        assert await events.block() == []


async def test_who_leaves_is_forgotten(live: Live) -> None:
    live.set_times(heartbeat=0.01)
    async with asked(live, LISTEN, **ME):
        await live.listeners(1)
    await live.listeners(0)


async def test_while_nothing_comes_there_is_a_heartbeat(live: Live) -> None:
    live.set_times(heartbeat=0.01)
    async with asked(live, LISTEN, **ME) as events:
        assert await events.block() == [":"]
        # A heartbeat may come before anybody is listened for, and what is delivered then is gone.
        await live.listeners(1)
        live.deliver("one")
        while (got := await events.next()) == [":"]:
            pass
        assert got["data"]["aiCompletionResponse"]["content"] == "one"


async def test_any_operation_may_be_asked_for_so(live: Live) -> None:
    async with asked(live, "{ currentUser { username } }") as events:
        assert await events.next() == {"data": {"currentUser": {"username": "admin"}}}
        assert await events.next() == ["event: complete", "data:"]


async def test_what_cannot_be_run_is_told_and_complete(live: Live) -> None:
    async with asked(live, "subscription { nothing }") as events:
        (error,) = (await events.next())["errors"]
        assert error["extensions"] == {"code": "argumentNotAccepted"}
        assert await events.next() == ["event: complete", "data:"]


async def test_at_the_end_of_the_instance_it_ends(live: Live) -> None:
    async with asked(live, LISTEN, **ME) as events:
        await live.listeners(1)
        live.server.should_exit = True
        assert await events.next() == ["event: complete", "data:"]


async def test_a_token_that_lost_its_right_hears_no_more(live: Live) -> None:
    live.set_times(heartbeat=0.01, recheck=0.01)
    async with asked(live, LISTEN, **ME) as events:
        await live.listeners(1)
        async with live.http() as http:
            await http.delete("/api/v4/personal_access_tokens/1")
        while (got := await events.next()) == [":"]:
            pass
        assert got == ["event: complete", "data:"]


async def test_without_a_token_there_is_no_stream(live: Live) -> None:
    body = {"query": LISTEN}
    async with httpx.AsyncClient(trust_env=False) as nobody:
        url = f"http://127.0.0.1:{live.port}{PATH}"
        got = await nobody.post(url, json=body, headers=EVENTS)
    assert (got.status_code, got.json()["code"]) == (401, "unauthorized")


async def test_a_subscription_by_plain_post_is_told_where_to_go(live: Live) -> None:
    async with live.http() as http:
        got = await http.post(PATH, json={"query": LISTEN, "variables": ME})
    (error,) = got.json()["errors"]
    assert error["extensions"] == {"code": "subscription_needs_stream"}
    assert "text/event-stream" in error["message"]
