"""What the gateway does again and again while it serves."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack, suppress
from datetime import timedelta

import structlog

log = structlog.get_logger()


def repeat(stack: AsyncExitStack, step: Callable[[], Awaitable[None]], *, every: timedelta) -> None:
    """Runs `step` again and again until the stack unwinds; a defect in it is logged, not fatal."""

    async def loop() -> None:
        while True:
            try:
                await step()
            except Exception:  # the boundary of a background task
                log.exception("background_step_failed", step=step.__qualname__)
            await asyncio.sleep(every.total_seconds())

    async def stop() -> None:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task

    task = asyncio.create_task(loop())
    stack.push_async_callback(stop)
