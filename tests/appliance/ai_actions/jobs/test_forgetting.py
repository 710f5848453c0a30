"""The timed jobs of this room forget what is old."""

from collections.abc import Callable
from datetime import timedelta

from appliance.ai_actions.jobs import jobs
from appliance.ai_actions.rules import Answer, Request
from appliance.ai_actions.usecases import claim, end, ended_of
from appliance.storage.engine import Db
from tests.instance_builders import NOW


def test_a_job_forgets_what_ended_long_ago(db: Db, accepted: Callable[..., Request]) -> None:
    asked = accepted()
    held = db.write_blocking(lambda s: claim(s, "w", most_of_a_user=9, now=NOW))
    assert held is not None
    db.write_blocking(lambda s: end(s, held, Answer(content="x"), worker="w", now=NOW))
    for job in jobs:
        db.write_blocking(lambda s, job=job: job.work(s, NOW + timedelta(hours=30)))  # type: ignore[misc]  # bound now
    assert not db.read_blocking(lambda s: ended_of(s, asked.user_id, [asked.uid]))
