"""What is done to the feed from time to time."""

from datetime import timedelta

from appliance.gateway_feed import usecases
from appliance.timed_jobs import Job

jobs = (
    Job(
        name="outbox_pruned",
        every=timedelta(hours=1),
        work=lambda session, now: usecases.prune_outbox(session, now=now),
    ),
)
