import msgspec
import pytest

from appliance.gateway_feed import rules
from appliance.gateway_feed.errors import ReportRefusedError
from gateway.contract.feed import Report
from tests.instance_builders import NOW

KID = "k" * 43


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"{}",
        b'{"version":1,"epoch":1,"sequence":1,"models":[]}',
        b'{"version":"\\u0000","epoch":1,"sequence":1,"models":[]}',
        b'{"version":"1","epoch":1,"sequence":1,"models":[{"ref":"a","state":"dizzy"}]}',
        msgspec.json.encode(
            {
                "version": "1",
                "epoch": 1,
                "sequence": 1,
                "models": [{"ref": "a", "state": "ready"}] * 1001,
            }
        ),
        b'{"version":"1","epoch":1,"sequence":99999999999999999999,"models":[]}',
        b'{"version":"1","epoch":1,"sequence":1,"models":[],"clock_ms":-1}',
        b'{"version":"1","epoch":1,"sequence":1,"models":[],"kids":"k"}',
        msgspec.json.encode(
            {"version": "1", "epoch": 1, "sequence": 1, "models": [], "kids": ["k"] * 4097}
        ),
    ],
)
def test_a_report_of_another_form_is_refused(body: bytes) -> None:
    with pytest.raises(ReportRefusedError):
        rules.parse_report(body)


def test_a_report_may_have_fields_of_a_later_release() -> None:
    body = b'{"version":"2","epoch":1,"sequence":1,"models":[],"mood":"fine"}'
    assert rules.parse_report(body).version == "2"


def _report(**fields: object) -> Report:
    told = {"version": "1", "epoch": 1, "sequence": 1, "models": (), **fields}
    return msgspec.convert(told, Report)


def test_only_keys_that_can_be_ours_are_kept_of_a_report() -> None:
    assert rules.own_kids(_report(kids=(KID, "theirs", KID))) == [KID]


def test_a_report_tells_the_clock_if_its_release_does() -> None:
    at_ms = int(NOW.timestamp() * 1000)
    assert rules.reported_skew_ms(_report(clock_ms=at_ms - 7), now=NOW, otherwise=3) == -7
    assert rules.reported_skew_ms(_report(), now=NOW, otherwise=3) == 3
