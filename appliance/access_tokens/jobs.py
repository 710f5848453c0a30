"""What is done to signing keys from time to time."""

from collections.abc import Callable
from datetime import datetime, timedelta

import anyio.to_thread

from appliance.access_tokens import usecases
from appliance.access_tokens.rules import Held, Timing
from appliance.storage.engine import Db, Session
from appliance.storage.sealing import Sealer
from appliance.timed_jobs import PlannedJob, Work

EVERY = timedelta(seconds=1)


def jobs_of_keys(
    sealer: Sealer, timing: Timing, held_kids: Callable[[Session, datetime], Held]
) -> tuple[PlannedJob, ...]:
    """The rotation of signing keys, one step at a time; writes only when one is due."""

    async def plan(db: Db, now: datetime) -> Work | None:
        step = await db.read(
            lambda session: usecases.due_step(
                session, held_kids(session, now), timing=timing, now=now
            )
        )
        if step is None:
            return None
        fresh = None
        if step.action == "create":
            fresh = await anyio.to_thread.run_sync(usecases.make_key, sealer)
        return lambda session, at: usecases.step_rotation(
            session, fresh, held=held_kids(session, at), timing=timing, now=at
        )

    return (PlannedJob(name="signing_keys_rotated", every=EVERY, plan=plan),)
