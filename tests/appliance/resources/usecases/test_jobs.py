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
