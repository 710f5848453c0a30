from datetime import timedelta

import pytest

from appliance.errors import InvalidFieldsError
from appliance.resources.rules.jobs import JobChange, JobStatus, check_job, job_times
from tests.instance_builders import NOW

EARLIER = NOW - timedelta(minutes=5)


@pytest.mark.parametrize(
    ("status", "started", "ended"),
    [("pending", False, False), ("running", True, False), ("failed", True, True)],
)
def test_the_status_tells_the_times(status: JobStatus, *, started: bool, ended: bool) -> None:
    begun, finished = job_times(status, started_at=None, now=NOW)
    assert (begun, finished) == (NOW if started else None, NOW if ended else None)
    begun, finished = job_times(status, started_at=EARLIER, now=NOW)
    assert begun == (EARLIER if started else None)


def test_only_a_new_job_needs_a_name() -> None:
    check_job(JobChange(trace="x"), is_new=False)
    with pytest.raises(InvalidFieldsError, match="name: is required"):
        check_job(JobChange(), is_new=True)
    with pytest.raises(InvalidFieldsError, match="trace: must be"):
        check_job(JobChange(trace="x" * 1_000_001), is_new=False)
