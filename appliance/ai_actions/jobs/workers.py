"""Runs requests: a bounded number at once, each within its time, each with exactly one answer."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import uuid4

import structlog

from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules import ActionName, Answer, Ended, Request
from appliance.ai_actions.rules.codes import failed_answer
from appliance.ai_actions.rules.html import safe_html
from appliance.ai_actions.usecases import (
    MOST_ATTEMPTS,
    Deliveries,
    Runner,
    Running,
    answer_uid,
    claim,
    end,
    final_message,
    give_back,
    is_work_waiting,
    note_answer,
    renew,
)
from appliance.storage.engine import DatabaseUnavailableError, Db, Session

# What another process accepted, or a dead one left, nobody tells: it is looked for so often.
LOOK_EVERY_S = 0.5
RENEW_EVERY_S = 3.0
# While the database is away an answer is kept for it; then somebody else begins anew.
TRIES_TO_END = 20
END_AGAIN_S = 0.5
TIMED_OUT, UNKNOWN, CUT_OFF = "A1000", "A9999", "A1003"
CANCELLED = Answer(content="", errors=("The request was cancelled.",))

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many requests run at once, in all and of one user, and how long one may take.

    `limit` counts from the moment in which the request is accepted. With `is_inline`, which is for
    debugging, who asks waits until the answer is there.
    """

    at_once: int
    at_once_of_a_user: int
    limit: timedelta
    is_inline: bool = False


@dataclass(slots=True, eq=False)
class _Job:
    request: Request
    task: asyncio.Task[None]
    is_cancelled: bool = False
    # From here on it is no longer interrupted: what is written must be told as well.
    is_ending: bool = False

    def stop(self, *, is_cancelled: bool = False) -> None:
        """Interrupts the run, as its user's wish or not; nothing if it has its answer already."""
        if not self.is_ending:
            self.is_cancelled = is_cancelled
            self.task.cancel()


class Workers:
    """Runs the requests of all processes' users in this one; `runners` has one for each action."""

    def __init__(
        self,
        db: Db,
        deliveries: Deliveries,
        runners: Mapping[ActionName, Runner],
        *,
        pace: Pace,
        clock: Callable[[], datetime],
    ) -> None:
        self._db = db
        self._deliveries = deliveries
        self._runners = runners
        self._pace = pace
        self._clock = clock
        self.name = str(uuid4())
        """Who holds a request; another one at each start."""
        self._jobs: dict[str, _Job] = {}
        self._news = asyncio.Event()
        self._is_over = False

    @asynccontextmanager
    async def run(self) -> AsyncIterator[None]:
        """Works until the context ends; what is not done then is left to the next process."""
        working = asyncio.create_task(self._work_on())
        renewing = asyncio.create_task(self._renew_on())
        try:
            yield
        finally:
            self._is_over = True
            self._news.set()
            # Not cancelled: what it has just claimed would be nobody's until the lease ends.
            await working
            renewing.cancel()
            await asyncio.gather(renewing, return_exceptions=True)
            await self._leave()

    async def begin(self, uid: str) -> None:
        """Says that a request was accepted; inline, it has ended when this returns."""
        request = await self._claim(uid) if self._pace.is_inline else None
        if request is not None:
            await self._start(request)
        self._news.set()

    async def cancel(self, uid: str) -> None:
        """Ends a request that was marked as cancelled; who runs it elsewhere hears at a renewal."""
        job = self._jobs.get(uid)
        if job is not None:
            job.stop(is_cancelled=True)
        self._news.set()

    async def _work_on(self) -> None:
        while not self._is_over:
            self._news.clear()
            try:
                while self._has_room() and await self._take_one():
                    pass
            except DatabaseUnavailableError as error:
                log.warning("ai_requests_not_claimed", reason=error.code)
            except Exception:  # the boundary of a background task: others must still be run
                log.exception("ai_requests_not_claimed")
            with suppress(TimeoutError):
                async with asyncio.timeout(0 if self._is_over else LOOK_EVERY_S):
                    await self._news.wait()

    def _has_room(self) -> bool:
        return not self._is_over and len(self._jobs) < self._pace.at_once

    async def _take_one(self) -> bool:
        now = self._clock()
        # Read first: a claim costs the one writer something, and mostly there is nothing.
        if not await self._db.read(lambda session: is_work_waiting(session, now=now)):
            return False
        request = await self._claim(None)
        if request is None:
            return False
        _ = self._start(request)
        return True

    async def _claim(self, uid: str | None) -> Request | None:
        now = self._clock()
        return await self._db.write(
            lambda session: claim(
                session,
                self.name,
                most_of_a_user=self._pace.at_once_of_a_user,
                now=now,
                uid=uid,
            )
        )

    def _start(self, request: Request) -> asyncio.Task[None]:
        task = asyncio.create_task(self._do(request))
        self._jobs[request.uid] = _Job(request, task)
        task.add_done_callback(lambda _: self._done(request.uid))
        return task

    def _done(self, uid: str) -> None:
        del self._jobs[uid]
        self._news.set()

    async def _do(self, request: Request) -> None:
        job = self._jobs[request.uid]
        try:
            answer = await self._answer(request)
        except asyncio.CancelledError:
            if not job.is_cancelled:
                return
            answer = CANCELLED
        job.is_ending = True
        try:
            await self._end(request, answer)
        except Exception:  # the boundary of a background task: its lease ends, and it is begun anew
            log.exception("ai_request_not_ended", request=request.uid)

    async def _answer(self, request: Request) -> Answer:
        left = (request.created_at + self._pace.limit - self._clock()).total_seconds()
        hopeless = _hopeless(request, left=left)
        if hopeless is not None:
            return hopeless
        running = Running(
            request=request,
            db=self._db,
            clock=self._clock,
            tell=self._deliveries.deliver,
            uid=answer_uid(request),
        )
        try:
            async with asyncio.timeout(left):
                return await self._runners[request.action](running)
        except TimeoutError:
            return failed_answer(TIMED_OUT)
        except ActionFailedError as error:
            log.info("ai_request_failed", request=request.uid, code=error.shown_code)
            return failed_answer(error.shown_code, error.facts)
        except Exception:  # the boundary of a background task: everyone gets an answer
            log.exception("ai_request_broke", request=request.uid, action=request.action)
            return failed_answer(UNKNOWN)

    async def _end(self, request: Request, answer: Answer) -> None:
        html = await asyncio.to_thread(safe_html, answer.content)

        def work(session: Session) -> Ended | None:
            now = self._clock()
            ended = end(session, request, answer, worker=self.name, now=now)
            if ended is not None and request.thread_id is not None and not answer.is_silent:
                note_answer(session, request, answer, uid=answer_uid(request), now=now)
            return ended

        for _ in range(TRIES_TO_END):
            try:
                ended = await self._db.write(work)
            except DatabaseUnavailableError as error:
                log.warning("ai_request_not_ended", request=request.uid, reason=error.code)
                await asyncio.sleep(END_AGAIN_S)
                continue
            if ended is None:
                log.warning("ai_request_lost", request=request.uid, attempt=request.attempt)
            elif not answer.is_silent:
                self._deliveries.deliver_whole(request, final_message(ended, content_html=html))
            return

    async def _renew_on(self) -> None:
        while True:
            await asyncio.sleep(RENEW_EVERY_S)
            try:
                await self._renew()
            except DatabaseUnavailableError as error:
                log.warning("ai_requests_not_renewed", reason=error.code)
            except Exception:  # the boundary of a background task: the next time may do
                log.exception("ai_requests_not_renewed")

    async def _renew(self) -> None:
        attempts = self._attempts()
        if not attempts:
            return
        held = await self._db.write(
            lambda session: renew(session, self.name, attempts, now=self._clock())
        )
        ours = {each.uid: each.is_cancelled for each in held}
        for uid in attempts:
            job, is_cancelled = self._jobs.get(uid), ours.get(uid, False)
            if job is not None and (is_cancelled or uid not in ours):
                job.stop(is_cancelled=is_cancelled)

    def _attempts(self) -> dict[str, int]:
        return {uid: job.request.attempt for uid, job in self._jobs.items()}

    async def _leave(self) -> None:
        attempts = self._attempts()
        jobs = list(self._jobs.values())
        for job in jobs:
            job.stop()
        await asyncio.gather(*(job.task for job in jobs), return_exceptions=True)
        if attempts:
            with suppress(DatabaseUnavailableError):
                await self._db.write(lambda session: give_back(session, self.name, attempts))


def _hopeless(request: Request, *, left: float) -> Answer | None:
    """The answer of a request that is not run any more; `left` is its time in seconds."""
    if request.is_cancelled:
        return CANCELLED
    if request.attempt > MOST_ATTEMPTS:
        return failed_answer(CUT_OFF)
    return failed_answer(TIMED_OUT) if left <= 0 else None
