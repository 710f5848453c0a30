from datetime import timedelta

import pytest

from appliance.licensing.errors import ClockWentBackError
from appliance.licensing.usecases import check_clock, note_time
from appliance.storage.engine import Db
from tests.instance_builders import NOW


@pytest.mark.parametrize(("ahead_s", "is_wrong"), [(-60, False), (10, False), (10.001, True)])
def test_a_clock_may_be_behind_by_what_verifiers_forgive(
    db: Db, ahead_s: float, is_wrong: bool
) -> None:
    db.read_blocking(lambda session: check_clock(session, now=NOW))
    seen = NOW + timedelta(seconds=ahead_s)
    db.write_blocking(lambda session: note_time(session, now=seen))
    if not is_wrong:
        db.read_blocking(lambda session: check_clock(session, now=NOW))
        return
    with pytest.raises(ClockWentBackError, match="clock accept"):
        db.read_blocking(lambda session: check_clock(session, now=NOW))
