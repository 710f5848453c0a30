"""Work that is done again and again, by one process of all that share a database."""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

import anyio.to_thread
import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler

from appliance.storage.engine import DatabaseUnavailableError, Db, Session
from appliance.storage.leadership import Leadership, leadership

Clock = Callable[[], datetime]
Work = Callable[[Session, datetime], None]
# How often the others try to lead, and the leader makes sure that it still does.
CHECK_EVERY_S = 1.0
# A start has more urgent things to do.
FIRST_AFTER = timedelta(seconds=5)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One unit of `work`, done soon after a leader's start and then every so often.

    `work` is one transaction, which may be run again; what is overdue is done once, not
    several times.
    """

    name: str
    every: timedelta
    work: Work


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedJob:
    """A job that reads before it writes.

    `plan` makes what takes too long for a transaction; None: nothing is due.
    """

    name: str
    every: timedelta
    plan: Callable[[Db, datetime], Awaitable[Work | None]]


class TimedJobs:
    """Does the jobs for as long as this process leads."""

    def __init__(self, db: Db, jobs: Sequence[Job | PlannedJob], *, clock: Clock) -> None:
        self._db = db
        self._jobs = jobs
        self._clock = clock
        self._scheduler: AsyncIOScheduler | None = None
        self._running: set[asyncio.Task[None]] = set()
        # It says twice of every run that it ran.
        logging.getLogger("apscheduler").setLevel(logging.WARNING)

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Leads, or waits for it, until the context ends."""
        lock = leadership(self._db.engine.url)
        ends = asyncio.Event()
        following = asyncio.create_task(self._follow(lock, ends))
        try:
            yield
        finally:
            # Nothing is cancelled: a thread would go on, with a connection that nobody closes.
            ends.set()
            await following
            self._stop()
            while self._running:
                await asyncio.wait(self._running)
            await anyio.to_thread.run_sync(lock.release)

    async def _follow(self, lock: Leadership, ends: asyncio.Event) -> None:
        while not ends.is_set():
            try:
                leads = await anyio.to_thread.run_sync(lock.hold)
            except OSError as error:
                log.error("leadership_failed", reason=str(error))  # noqa: TRY400  # the trace says no more
                leads = False
            if ends.is_set():
                return
            if leads and self._scheduler is None:
                self._start()
            elif not leads and self._scheduler is not None:
                log.warning("leadership_lost")
                self._stop()
            with suppress(TimeoutError):
                await asyncio.wait_for(ends.wait(), CHECK_EVERY_S)

    def _start(self) -> None:
        defaults = {"coalesce": True, "max_instances": 1, "misfire_grace_time": 60}
        scheduler = AsyncIOScheduler(timezone="UTC", job_defaults=defaults)
        # The scheduler keeps the machine's time, whatever clock the jobs are told.
        first = datetime.now(UTC) + FIRST_AFTER
        for job in self._jobs:
            seconds = job.every.total_seconds()
            scheduler.add_job(self._do, "interval", (job,), seconds=seconds, next_run_time=first)
        scheduler.start()
        self._scheduler = scheduler
        log.info("leadership_taken", jobs=[job.name for job in self._jobs])

    def _stop(self) -> None:
        if self._scheduler is not None:
            self._scheduler.shutdown(wait=False)
            self._scheduler = None

    async def _do(self, job: Job | PlannedJob) -> None:
        if self._scheduler is None:
            # Due in the moment in which we stopped.
            return
        # The scheduler cancels what runs when it is shut down.
        task = asyncio.create_task(self._work(job))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        await asyncio.shield(task)

    async def _work(self, job: Job | PlannedJob) -> None:
        try:
            work = job.work if isinstance(job, Job) else await job.plan(self._db, self._clock())
            if work is not None:
                await self._db.write(lambda session: work(session, self._clock()))
        except DatabaseUnavailableError as error:
            log.warning("timed_job_failed", job=job.name, reason=error.code)
        except Exception:  # the boundary of a background task
            log.exception("timed_job_failed", job=job.name)
