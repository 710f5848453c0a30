import pytest

from appliance.errors import NotFoundError
from appliance.resources import usecases
from appliance.resources.rules import JobChange, Place
from appliance.storage.engine import Db
from tests.appliance.resources.builders import add_job
from tests.instance_builders import NOW


def test_a_job_s_log_is_read_by_itself(db: Db, at: Place) -> None:
    job = add_job(db, at, trace="x" * 1_000_000, status="failed")

    def read() -> str:
        return db.read_blocking(lambda s: usecases.trace_of(s, job))

    assert len(read()) == 1_000_000
    db.write_blocking(
        lambda s: usecases.change_job(s, at, job.id, change=JobChange(trace=""), now=NOW)
    )
    assert read() == ""


def test_a_job_is_found_in_its_project_only(db: Db, at: Place) -> None:
    job = add_job(db, at)
    found = db.read_blocking(
        lambda s: usecases.named_job(s, at.user, "lab/test", job_id=job.id, now=NOW)
    )
    assert found == job
    with pytest.raises(NotFoundError):
        db.read_blocking(lambda s: usecases.named_job(s, at.user, "lab/test", job_id=9, now=NOW))
