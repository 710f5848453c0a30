"""What is done to usage from time to time."""

from datetime import timedelta

from appliance.timed_jobs import Job
from appliance.usage import usecases
from appliance.usage.rules import Retention


def jobs_of_usage(retention: Retention) -> tuple[Job, ...]:
    """The jobs of an instance that keeps usage for so long."""
    return (
        Job(
            name="usage_pruned",
            every=timedelta(hours=1),
            work=lambda session, now: usecases.prune(session, retention, now=now),
        ),
    )
