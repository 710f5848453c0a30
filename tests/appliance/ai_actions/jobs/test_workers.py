"""Workers: how many run at once, and that each request is answered once whatever happens."""

import asyncio
import threading
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any, get_args

import pytest

from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.jobs import Pace, Workers, workers
from appliance.ai_actions.rules import ActionName, Address, Answer, Message, Request
from appliance.ai_actions.usecases import (
    Deliveries,
    Running,
    Subscription,
    ask_to_cancel,
    claim,
    ended_of,
)
from appliance.storage.engine import Db
from tests.instance_builders import NOW, SetClock

Accept = Callable[..., Request]
Run = Callable[[Running], Awaitable[Answer]]
ACTIONS: tuple[ActionName, ...] = get_args(ActionName)


class Bench:
    """Workers of one process, and who waits for their answers."""

    def __init__(self, db: Db, run: Run, clock: SetClock, **pace: Any) -> None:
        self.db = db
        self.clock = clock
        self.deliveries = Deliveries()
        fields = {"at_once": 4, "at_once_of_a_user": 4, "limit": timedelta(minutes=10), **pace}
        self.workers = Workers(
            db,
            self.deliveries,
            dict.fromkeys(ACTIONS, run),
            pace=Pace(**fields),
            clock=clock,
        )

    async def ended(self, request: Request) -> Answer:
        async with asyncio.timeout(20):
            while True:
                found = await self.db.read(lambda s: ended_of(s, request.user_id, [request.uid]))
                if found:
                    return found[0].answer
                await asyncio.sleep(0.01)


Open = Callable[..., Any]


@pytest.fixture
def opened(db: Db) -> Open:
    @asynccontextmanager
    async def open_bench(run: Run, **pace: Any) -> AsyncIterator[Bench]:
        bench = Bench(db, run, SetClock(), **pace)
        async with bench.workers.run():
            yield bench

    return open_bench


async def says_done(running: Running) -> Answer:
    running.tell_chunk("do", 1)
    return Answer(content="done")


async def never_ends(_: Running) -> Answer:
    await asyncio.Event().wait()
    raise AssertionError


async def everything(subscription: Subscription, until: int) -> list[Message]:
    async with asyncio.timeout(20):
        taken = [await subscription.take() for _ in range(until)]
    return [each for each in taken if each is not None]


async def test_a_request_is_answered_with_chunks_and_then_the_whole(
    opened: Open, accepted: Accept
) -> None:
    asked = accepted(client_subscription_id="tab")
    address = Address(user_id=asked.user_id, client_subscription_id="tab")
    async with opened(says_done) as bench:
        with bench.deliveries.subscribe(address) as subscription:
            await bench.workers.begin(asked.uid)
            chunk, whole = await everything(subscription, 2)
    assert (chunk.content, chunk.chunk_id, chunk.content_html) == ("do", 1, None)
    assert (whole.content, whole.chunk_id) == ("done", None)
    assert "done" in (whole.content_html or "")
    assert chunk.uid == whole.uid
    assert chunk.request_uid == whole.request_uid == asked.uid


async def test_what_waited_before_the_start_is_run(opened: Open, accepted: Accept) -> None:
    asked = [accepted() for _ in range(3)]
    async with opened(says_done) as bench:
        answers = [await bench.ended(each) for each in asked]
    assert [each.content for each in answers] == ["done"] * 3


async def test_no_more_run_at_once_than_may(opened: Open, accepted: Accept) -> None:
    asked, most, now, full = [accepted() for _ in range(9)], 0, 0, asyncio.Event()

    async def count(running: Running) -> Answer:
        nonlocal most, now
        now += 1
        most = max(most, now)
        if now == 3:
            full.set()
        await full.wait()
        await asyncio.sleep(0.02)
        now -= 1
        return Answer(content=running.request.uid)

    async with opened(count, at_once=3) as bench:
        for each in asked:
            assert (await bench.ended(each)).content == each.uid
    assert most == 3


async def test_one_user_s_many_requests_do_not_keep_another_s_waiting(
    opened: Open, accepted: Accept, users: tuple[int, ...]
) -> None:
    for _ in range(5):
        accepted(user_id=users[0])
    theirs = accepted(user_id=users[1])

    async def run(running: Running) -> Answer:
        return await (never_ends if running.request.user_id == users[0] else says_done)(running)

    async with opened(run, at_once=3, at_once_of_a_user=2) as bench:
        assert (await bench.ended(theirs)).content == "done"


async def test_what_takes_too_long_ends_with_a_code(opened: Open, accepted: Accept) -> None:
    asked = accepted()
    async with opened(never_ends, limit=timedelta(milliseconds=50)) as bench:
        answer = await bench.ended(asked)
    assert answer.code == "A1000"
    assert answer.errors


async def test_what_waited_too_long_is_not_begun(opened: Open, accepted: Accept) -> None:
    asked = accepted(now=NOW - timedelta(minutes=11))
    async with opened(says_done) as bench:
        assert (await bench.ended(asked)).code == "A1000"


@pytest.mark.parametrize(
    ("failure", "code"),
    [(ActionFailedError("A1005"), "A1005"), (RuntimeError("secret inside"), "A9999")],
)
async def test_a_failure_ends_with_its_code(
    opened: Open, accepted: Accept, failure: Exception, code: str
) -> None:
    asked = accepted()

    async def fail(_: Running) -> Answer:
        raise failure

    async with opened(fail) as bench:
        answer = await bench.ended(asked)
    assert answer.code == code
    assert "secret" not in answer.content


async def test_what_no_attempt_outlives_is_given_up(opened: Open, accepted: Accept, db: Db) -> None:
    asked = accepted()
    for attempt in range(5):
        at = NOW - timedelta(minutes=9 - attempt)
        held = db.write_blocking(lambda s, at=at: claim(s, "dead", most_of_a_user=9, now=at))  # type: ignore[misc]  # bound now
        assert held is not None
    async with opened(says_done) as bench:
        assert (await bench.ended(asked)).code == "A1003"


async def test_a_cancelled_request_ends_without_an_answer(
    opened: Open, accepted: Accept, db: Db
) -> None:
    asked, begun = accepted(client_subscription_id="tab"), asyncio.Event()

    async def run(running: Running) -> Answer:
        begun.set()
        return await never_ends(running)

    address = Address(user_id=asked.user_id, client_subscription_id="tab")
    async with opened(run) as bench:
        with bench.deliveries.subscribe(address) as subscription:
            await begun.wait()
            await db.write(lambda s: ask_to_cancel(s, asked.user_id, asked.uid))
            await bench.workers.cancel(asked.uid)
            (message,) = await everything(subscription, 1)
    assert message.errors == ("The request was cancelled.",)


async def test_a_request_that_is_cancelled_while_it_waits_is_not_run(
    opened: Open, accepted: Accept, db: Db
) -> None:
    asked = accepted()
    db.write_blocking(lambda s: ask_to_cancel(s, asked.user_id, asked.uid))
    async with opened(says_done) as bench:
        assert (await bench.ended(asked)).content == ""


async def test_what_runs_at_a_stop_is_the_next_process_s(opened: Open, accepted: Accept) -> None:
    asked, begun = accepted(), asyncio.Event()

    async def run(running: Running) -> Answer:
        begun.set()
        return await never_ends(running)

    async with opened(run):
        await begun.wait()
    async with opened(says_done) as bench:
        assert (await bench.ended(asked)).content == "done"


async def test_inline_the_answer_is_there_when_the_call_returns(
    opened: Open, accepted: Accept
) -> None:
    async with opened(says_done, at_once=1, is_inline=True) as bench:
        asked = accepted()
        await bench.workers.begin(asked.uid)
        await bench.ended(asked)


async def test_who_lost_a_request_says_nothing_of_it(
    opened: Open, accepted: Accept, db: Db
) -> None:
    asked, go = accepted(client_subscription_id="tab"), asyncio.Event()

    async def run(running: Running) -> Answer:
        if running.request.attempt == 1:
            later = NOW + timedelta(minutes=1)
            await running.db.write(lambda s: claim(s, "other", most_of_a_user=9, now=later))
            go.set()
        return Answer(content="of the first attempt")

    address = Address(user_id=asked.user_id, client_subscription_id="tab")
    async with opened(run) as bench:
        with bench.deliveries.subscribe(address) as subscription:
            await go.wait()
            async with asyncio.timeout(20):
                while bench.workers._jobs:
                    await asyncio.sleep(0.01)
            bench.deliveries.stop()
    assert not db.read_blocking(lambda s: ended_of(s, asked.user_id, [asked.uid]))
    assert await subscription.take() is None


async def test_an_answer_that_is_being_written_is_told_whoever_wants_it_no_more(
    opened: Open, accepted: Accept, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, begun, go = accepted(client_subscription_id="tab"), threading.Event(), threading.Event()

    def slow_html(text: str) -> str:
        begun.set()
        assert go.wait(20)
        return text

    monkeypatch.setattr(workers, "safe_html", slow_html)
    address = Address(user_id=asked.user_id, client_subscription_id="tab")
    async with opened(says_done) as bench:
        with bench.deliveries.subscribe(address) as subscription:
            assert await asyncio.to_thread(begun.wait, 20)
            await bench.workers.cancel(asked.uid)
            go.set()
            _, whole = await everything(subscription, 2)
    assert whole.content == "done"


async def test_a_fault_while_claiming_does_not_end_the_work(
    opened: Open, accepted: Accept, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked, failed = accepted(), asyncio.Event()

    def fail_once(*_: Any, **__: Any) -> Request | None:
        monkeypatch.undo()
        loop.call_soon_threadsafe(failed.set)
        raise RuntimeError

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(workers, "claim", fail_once)
    async with opened(says_done) as bench:
        await failed.wait()
        assert (await bench.ended(asked)).content == "done"
