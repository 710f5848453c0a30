from datetime import timedelta

from appliance.licensing import usecases
from appliance.licensing.jobs import jobs
from appliance.storage.engine import Db
from tests.instance_builders import NOW


def test_the_latest_time_is_noted_and_never_an_earlier_one(db: Db) -> None:
    (job,) = jobs
    later = NOW + timedelta(minutes=1)
    for now in (NOW, later, NOW):
        db.write_blocking(lambda session, now=now: job.work(session, now))  # type: ignore[misc]  # bound early
    assert db.read_blocking(lambda session: usecases.licence_clock(session, now=NOW)) == later
