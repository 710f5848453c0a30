from datetime import datetime, timedelta

from sqlmodel import select

from appliance.gateway_feed.jobs import jobs
from appliance.storage.engine import Db
from appliance.storage.outbox import OutboxRow, last_sequence, publish
from appliance.timed_jobs import Job
from tests.instance_builders import NOW


def _do(db: Db, job: Job, now: datetime) -> None:
    db.write_blocking(lambda session: job.work(session, now))


def test_changes_are_forgotten_after_a_week_and_the_feed_goes_on_from_where_it_was(db: Db) -> None:
    for _ in range(3):
        db.write_blocking(lambda session: publish(session, "model", {"id": 1}, now=NOW))
    (job,) = jobs
    for later, left in ((NOW + timedelta(days=7), 3), (NOW + timedelta(days=8), 1)):
        before = db.read_blocking(last_sequence)
        _do(db, job, later)
        rows = db.read_blocking(lambda session: session.exec(select(OutboxRow)).all())
        assert (len(rows), db.read_blocking(last_sequence)) == (left, before)
