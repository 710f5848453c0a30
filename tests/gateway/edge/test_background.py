from contextlib import AsyncExitStack
from datetime import timedelta

from structlog.testing import capture_logs

from gateway.edge.background import repeat
from tests.gateway.conftest import eventually


async def test_a_step_that_fails_is_logged_and_taken_again_until_the_end() -> None:
    calls: list[int] = []

    async def step() -> None:
        calls.append(len(calls))
        if len(calls) == 1:
            raise RuntimeError

    with capture_logs() as lines:
        async with AsyncExitStack() as stack:
            repeat(stack, step, every=timedelta(milliseconds=1))
            await eventually(lambda: len(calls) > 2)
    assert [line["event"] for line in lines] == ["background_step_failed"]
