import asyncio
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from appliance.storage.engine import DatabaseUnavailableError, Db, Session
from appliance.storage.leadership import leadership
from appliance.timed_jobs import Job, PlannedJob, TimedJobs, Work
from tests.instance_builders import NOW


class Tally:
    """Counts how often its job was done."""

    def __init__(self, fails: Exception | None = None) -> None:
        self.done: list[datetime] = []
        self.fails = fails

    def __call__(self, session: Session, now: datetime) -> None:
        del session
        self.done.append(now)
        if self.fails is not None:
            raise self.fails

    def job(self, *, every_s: float = 3600) -> Job:
        return Job(name="tally", every=timedelta(seconds=every_s), work=self)


async def until(claim: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not claim():
            await asyncio.sleep(0.01)


def timed(db: Db, *jobs: Job | PlannedJob) -> TimedJobs:
    return TimedJobs(db, jobs, clock=lambda: NOW)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.timed_jobs.FIRST_AFTER", timedelta())


async def test_a_job_is_done_at_the_start_and_again(db: Db) -> None:
    often, seldom = Tally(), Tally()
    async with timed(db, often.job(every_s=0.05), seldom.job()).run():
        await until(lambda: len(often.done) >= 3)
    assert seldom.done == [NOW]
    count = len(often.done)
    await asyncio.sleep(0.2)
    assert len(often.done) == count, "nothing is done after the end"


async def test_one_of_two_does_the_jobs_and_the_other_takes_over(
    db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.timed_jobs.CHECK_EVERY_S", 0.05)
    first, second = Tally(), Tally()
    async with timed(db, second.job()).run():
        await until(lambda: second.done)
        async with timed(db, first.job()).run():
            await asyncio.sleep(0.3)
            assert first.done == []
    async with timed(db, first.job()).run():
        await until(lambda: first.done)


@pytest.mark.parametrize("fault", [DatabaseUnavailableError(), RuntimeError("a defect")])
async def test_a_job_that_fails_is_done_again(db: Db, fault: Exception) -> None:
    tally = Tally(fails=fault)
    async with timed(db, tally.job(every_s=0.05)).run():
        await until(lambda: len(tally.done) >= 2)


async def test_who_leads_no_longer_stops(db: Db, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("appliance.timed_jobs.CHECK_EVERY_S", 0.05)
    answers = iter([True, False])
    lock = leadership(db.engine.url)
    monkeypatch.setattr(lock, "hold", lambda: next(answers, False))
    monkeypatch.setattr("appliance.timed_jobs.leadership", lambda _: lock)
    tally = Tally()
    async with timed(db, tally.job(every_s=0.01)).run():
        await asyncio.sleep(0.3)
        count = len(tally.done)
        await asyncio.sleep(0.2)
        assert len(tally.done) == count


async def test_a_lock_that_cannot_be_reached_is_tried_again(
    db: Db, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("appliance.timed_jobs.CHECK_EVERY_S", 0.05)
    lock, tries = leadership(db.engine.url), []

    def hold() -> bool:
        tries.append(1)
        if len(tries) == 1:
            raise PermissionError
        return True

    monkeypatch.setattr(lock, "hold", hold)
    monkeypatch.setattr("appliance.timed_jobs.leadership", lambda _: lock)
    tally = Tally()
    async with timed(db, tally.job()).run():
        await until(lambda: tally.done)


async def test_a_planned_job_writes_only_what_is_due(db: Db) -> None:
    tally = Tally()
    plans: list[datetime] = []

    async def plan(found: Db, now: datetime) -> Work | None:
        assert found is db
        plans.append(now)
        return tally if len(plans) == 2 else None

    job = PlannedJob(name="planned", every=timedelta(seconds=0.02), plan=plan)
    async with timed(db, job).run():
        await until(lambda: len(plans) >= 4)
    assert tally.done == [NOW]


async def test_a_plan_that_fails_is_made_again(db: Db) -> None:
    plans: list[datetime] = []

    async def plan(_: Db, now: datetime) -> Work | None:
        plans.append(now)
        raise DatabaseUnavailableError

    job = PlannedJob(name="planned", every=timedelta(seconds=0.02), plan=plan)
    async with timed(db, job).run():
        await until(lambda: len(plans) >= 2)
