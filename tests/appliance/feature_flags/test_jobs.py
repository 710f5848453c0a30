from structlog.testing import capture_logs

from appliance.app import create_app
from appliance.feature_flags.tables import FlagGateRow
from appliance.storage.engine import Db, database_url
from tests.appliance.conftest import FilledHome
from tests.instance_builders import NOW, SetClock


def _warnings(filled: FilledHome) -> list[dict[str, str]]:
    with capture_logs() as logs:
        create_app(filled.settings(), clock=SetClock()).state.db.close()
    return [each["flags"] for each in logs if each["event"] == "feature_flags_stale"]


def test_flags_that_should_be_gone_are_told_once_at_the_start(filled: FilledHome) -> None:
    assert not _warnings(filled)
    db = Db(database_url(filled.url))
    row = FlagGateRow(flag="left", gate="everyone", value=1, updated_at=NOW)
    db.write_blocking(lambda session: session.add(row))
    db.close()
    (flags,) = _warnings(filled)
    assert list(flags) == ["left"]
