import asyncio
import os
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from model_server.errors import PortTakenError
from model_server.launch import Engine, engine_environment
from model_server.state import Condition, ModelState, StateFile
from model_server.watch import Timing, Watch, delay_after
from tests.fakes.vllm_stand_in import command

QUICK = Timing(
    ready_every_s=0.01, alive_every_s=0.01, misses_allowed=1, first_delay_s=0.01, start_limit_s=20
)


class Answers:
    """Questions whose answers a test sets."""

    def __init__(self, is_born: Callable[[], bool]) -> None:
        self.is_born = is_born
        self.listening = True
        self.token = True

    async def is_listening(self) -> bool:
        return self.listening and self.is_born()

    async def has_token(self) -> bool:
        return self.token


class Life:
    """A watch over stand-ins, and what it wrote."""

    def __init__(self, folder: Path, *misbehaviour: str, timing: Timing = QUICK) -> None:
        self.states = StateFile(folder / "state.json", (ModelState(ref="m", port=1),))
        self.answers = Answers(lambda: self.states.get("m").pid is not None)
        self.folder = folder
        self.misbehaviour = misbehaviour
        self.refusals: list[Exception] = []
        self.turn = asyncio.Lock()
        self.watch = Watch(
            "m",
            start=self.start,
            questions=self.answers,
            states=self.states,
            turn=self.turn,
            timing=timing,
        )

    async def start(self) -> Engine:
        if self.refusals:
            raise self.refusals.pop()
        path = {"PATH": os.environ["PATH"]}
        return await Engine.start(
            command(*self.misbehaviour),
            environment=engine_environment(path, {}, api_key="k", mark="m"),
            folder=self.folder,
            on_line=lambda _: None,
            grace_s=1.0,
        )

    async def until(self, is_so: Callable[[ModelState], bool]) -> ModelState:
        """Lets the watch live until its state is so, at most for half a minute; then ends it."""
        task = asyncio.create_task(self.watch.run())
        async with asyncio.timeout(30):
            while not is_so(self.states.get("m")):
                await asyncio.wait({task}, timeout=0.01)
                assert not task.done()
        found = self.states.get("m")
        task.cancel()
        await asyncio.wait({task})
        return found


def is_ready(state: ModelState) -> bool:
    return state.state is Condition.READY


def has_failed(state: ModelState) -> bool:
    return state.state is Condition.FAILED


def once_then(
    act: Callable[[ModelState], None], is_so: Callable[[ModelState], bool]
) -> Callable[[ModelState], bool]:
    """Acts when the model is first ready, then asks `is_so`."""
    acted: list[bool] = []

    def ask(state: ModelState) -> bool:
        if is_ready(state) and not acted:
            acted.append(True)
            act(state)
        return bool(acted) and is_so(state)

    return ask


def kill(state: ModelState) -> None:
    assert state.pid is not None
    os.kill(state.pid, signal.SIGKILL)


async def test_a_model_that_answers_is_ready(tmp_path: Path) -> None:
    ready = await Life(tmp_path).until(is_ready)
    assert ready.pid is not None
    assert (ready.reason, ready.restarts) == (None, 0)


async def test_a_server_without_a_token_is_not_ready(tmp_path: Path) -> None:
    timing = Timing(ready_every_s=0.01, start_limit_s=0.05)
    life = Life(tmp_path, "--hang", timing=timing)
    life.answers.token = False
    failed = await life.until(has_failed)
    assert failed.reason == "vLLM was not ready within 0 s."


async def test_a_killed_model_is_started_again(tmp_path: Path) -> None:
    life = Life(tmp_path)
    again = await life.until(once_then(kill, lambda s: is_ready(s) and s.restarts == 1))
    assert again.reason is None


async def test_a_model_that_dies_early_says_why(tmp_path: Path) -> None:
    life = Life(tmp_path, "--say", "[Errno 98] Address already in use", "--die")
    life.answers.listening = False
    failed = await life.until(lambda s: has_failed(s) and s.restarts >= 2)
    assert failed.reason == "The port is taken by another program."
    assert failed.pid is None


async def test_a_refusal_before_the_start_is_the_reason(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.refusals.append(PortTakenError(8000))
    failed = await life.until(has_failed)
    assert failed.reason == "Port 8000 is taken by another program."


async def test_the_reason_stays_while_it_starts_again(tmp_path: Path) -> None:
    life = Life(tmp_path, "--hang")
    life.answers.token = False
    life.refusals.append(PortTakenError(8000))
    starting = await life.until(lambda s: s.restarts == 1 and s.pid is not None)
    assert starting.state is Condition.STARTING
    assert starting.reason == "Port 8000 is taken by another program."


async def test_a_model_that_falls_silent_is_started_again(tmp_path: Path) -> None:
    life = Life(tmp_path)

    def silence(_: ModelState) -> None:
        life.answers.listening = False

    failed = await life.until(once_then(silence, has_failed))
    assert failed.reason == "vLLM no longer answers."


async def test_a_long_healthy_life_forgets_the_failures(tmp_path: Path) -> None:
    timing = Timing(ready_every_s=0.01, alive_every_s=0.01, first_delay_s=0.01, healthy_after_s=0.0)
    life = Life(tmp_path, timing=timing)
    again = await life.until(once_then(kill, lambda s: is_ready(s) and s.restarts == 1))
    assert again.restarts == 1


async def test_a_model_waits_for_its_turn(tmp_path: Path) -> None:
    life = Life(tmp_path)
    async with life.turn:
        task = asyncio.create_task(life.watch.run())
        await asyncio.wait({task}, timeout=0.05)
        assert life.states.get("m").pid is None
        task.cancel()
        await asyncio.wait({task})
    assert (await life.until(is_ready)).pid is not None


@pytest.mark.parametrize(
    ("failures", "seconds"), [(1, 1), (2, 2), (3, 4), (5, 16), (6, 30), (100_000, 30)]
)
def test_waits_double_up_to_half_a_minute(failures: int, seconds: float) -> None:
    assert delay_after(failures, Timing()) == seconds
