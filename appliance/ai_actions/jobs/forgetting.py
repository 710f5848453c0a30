"""Forgets requests in time."""

from datetime import timedelta

from appliance.ai_actions.usecases import forget_ended
from appliance.timed_jobs import Job

jobs = (
    Job(
        name="forget_ai_requests",
        every=timedelta(hours=1),
        work=lambda session, now: forget_ended(session, now=now),
    ),
)
