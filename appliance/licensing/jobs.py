"""What licensing does from time to time."""

from datetime import timedelta

from appliance.licensing import usecases
from appliance.timed_jobs import Job

jobs = (
    Job(
        name="licence_clock_noted",
        every=timedelta(minutes=1),
        work=lambda session, now: usecases.note_time(session, now=now),
    ),
)
