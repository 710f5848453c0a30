"""Forgets requests, and threads that nobody goes on with."""

from datetime import datetime, timedelta

import structlog

from appliance.ai_actions.usecases import delete_unused_threads, forget_ended
from appliance.storage.engine import Session
from appliance.timed_jobs import Job

log = structlog.get_logger()


def _delete_threads(session: Session, now: datetime) -> None:
    if number := delete_unused_threads(session, now=now):
        log.info("ai_threads_deleted", number=number)


jobs = (
    Job(
        name="forget_ai_requests",
        every=timedelta(hours=1),
        work=lambda session, now: forget_ended(session, now=now),
    ),
    Job(name="delete_unused_ai_threads", every=timedelta(hours=6), work=_delete_threads),
)
