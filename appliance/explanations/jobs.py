"""What is done to kept refusals from time to time."""

from datetime import timedelta

from appliance.explanations import usecases
from appliance.timed_jobs import Job

jobs = (
    Job(
        name="refusals_pruned",
        every=timedelta(hours=1),
        work=lambda session, now: usecases.prune(session, now=now),
    ),
)
