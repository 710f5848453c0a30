from datetime import datetime, timedelta
from functools import partial

from appliance.storage.engine import Db
from appliance.usage.jobs import jobs_of_usage
from appliance.usage.rules import Retention
from appliance.usage.usecases import count
from tests.builders import a_usage_event
from tests.instance_builders import NOW


def test_what_is_too_old_is_pruned_and_then_refused(db: Db) -> None:
    keeps = timedelta(days=10)
    event = a_usage_event(1, happened_at=(NOW - timedelta(days=9)).timestamp())
    (job,) = jobs_of_usage(Retention(events=keeps, sums=keeps))

    def tell(now: datetime) -> int:
        told = partial(count, events=[event], user_ids={}, now=now, keeps=keeps)
        return len(db.write_blocking(lambda session: told(session, "g")))

    later = NOW + timedelta(days=2)
    assert tell(NOW) == 0
    db.write_blocking(lambda session: job.work(session, later))
    assert tell(later) == 1
