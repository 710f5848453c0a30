"""The life of one model: started, asked for a token, watched, started again when it fails."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import NoReturn, Protocol

import structlog

from model_server.diagnosis import why
from model_server.errors import EngineFailedError, ModelServerError
from model_server.launch import Engine
from model_server.state import Condition, StateFile

_log = structlog.get_logger()


class Questions(Protocol):
    """What is asked of a running vLLM; `probe.Probe` asks it over HTTP."""

    async def is_listening(self) -> bool:
        """Whether its health page answers well."""

    async def has_token(self) -> bool:
        """Whether it computes a token."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """How patient a watch is; all in seconds."""

    start_limit_s: float = 1800.0
    ready_every_s: float = 0.25
    alive_every_s: float = 2.0
    # A long prefill on a small CPU keeps vLLM's API process from answering for a while; each
    # question also waits up to its own limit.
    misses_allowed: int = 5
    first_delay_s: float = 1.0
    longest_delay_s: float = 30.0
    healthy_after_s: float = 60.0


def delay_after(failures: int, timing: Timing) -> float:
    """Seconds to wait after the n-th failure in a row (n from 1): doubling up to the longest."""
    # The exponent is bounded before it is used: after days of failures 2**n is no float any more.
    return min(timing.longest_delay_s, timing.first_delay_s * 2.0 ** min(failures - 1, 30))


class Watch:
    """Keeps one model running until its task is cancelled; then nothing of it is left.

    `start` plans and starts the engine. `turn` is shared by all models, so that each sees the
    memory that the ones before it have taken.
    """

    def __init__(
        self,
        ref: str,
        *,
        start: Callable[[], Awaitable[Engine]],
        questions: Questions,
        states: StateFile,
        turn: asyncio.Lock,
        timing: Timing,
    ) -> None:
        self._ref = ref
        self._start = start
        self._questions = questions
        self._states = states
        self._turn = turn
        self._timing = timing
        self._ready_at: float | None = None
        self._log = _log.bind(model=ref)

    async def run(self) -> NoReturn:
        """Starts the model, and again after each failure."""
        failures = 0
        while True:
            reason = await self._live_once()
            if self._was_healthy():
                failures = 0
            failures += 1
            delay_s = delay_after(failures, self._timing)
            restarts = self._states.get(self._ref).restarts + 1
            self._note(Condition.FAILED, reason=reason, restarts=restarts)
            self._log.error("model_failed", reason=reason, again_in_s=delay_s, restarts=restarts)
            await asyncio.sleep(delay_s)

    async def _live_once(self) -> str:
        """One life, from the start to the end; returns why it ended."""
        engine: Engine | None = None
        self._ready_at = None
        try:
            async with self._turn:
                self._note(Condition.STARTING, reason=self._states.get(self._ref).reason)
                began = time.monotonic()
                engine = await self._start()
                await self._until_ready(engine)
            self._ready_at = time.monotonic()
            self._note(Condition.READY, pid=engine.api_pid())
            self._log.info("model_ready", after_s=round(self._ready_at - began, 1))
            await self._until_it_fails(engine)
        except ModelServerError as failure:
            return str(failure)
        finally:
            if engine is not None and not await engine.stop():
                self._log.error("engine_left_processes")

    def _was_healthy(self) -> bool:
        if self._ready_at is None:
            return False
        return time.monotonic() - self._ready_at >= self._timing.healthy_after_s

    async def _until_ready(self, engine: Engine) -> None:
        deadline = time.monotonic() + self._timing.start_limit_s
        while not await engine.ends_within(self._timing.ready_every_s):
            self._note_pid(engine)
            if await self._questions.is_listening() and await self._questions.has_token():
                return
            if time.monotonic() > deadline:
                reason = f"vLLM was not ready within {self._timing.start_limit_s:.0f} s."
                raise EngineFailedError(reason)
        raise EngineFailedError(why(engine.last_lines, exit_code=engine.exit_code))

    async def _until_it_fails(self, engine: Engine) -> NoReturn:
        misses = 0
        while not await engine.ends_within(self._timing.alive_every_s):
            misses = 0 if await self._questions.is_listening() else misses + 1
            if misses > self._timing.misses_allowed:
                raise EngineFailedError(why((), exit_code=None))
        raise EngineFailedError(why(engine.last_lines, exit_code=engine.exit_code))

    def _note_pid(self, engine: Engine) -> None:
        before = self._states.get(self._ref)
        if before.pid is None and (pid := engine.api_pid()) is not None:
            self._note(Condition.STARTING, pid=pid, reason=before.reason)

    def _note(
        self,
        condition: Condition,
        *,
        pid: int | None = None,
        reason: str | None = None,
        restarts: int | None = None,
    ) -> None:
        before = self._states.get(self._ref)
        after = replace(
            before,
            state=condition,
            pid=pid,
            reason=reason,
            restarts=before.restarts if restarts is None else restarts,
        )
        self._states.put(after, now=int(time.time()))
