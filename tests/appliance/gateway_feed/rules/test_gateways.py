from datetime import timedelta

import pytest

from appliance.errors import InvalidFieldsError
from appliance.gateway_feed import rules
from appliance.gateway_feed.errors import GatewayKeyInvalidError
from gateway.contract.feed import ModelState, ReportedModel
from tests.instance_builders import NOW, GatewayKeys

KEYS = GatewayKeys()


def test_a_gateway_s_id_is_the_thumbprint_of_its_key() -> None:
    # The example of RFC 8037, appendix A.3.
    key = rules.decode_raw_key("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo", "signing_key")
    assert rules.gateway_id(key) == "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k"


@pytest.mark.parametrize("text", ["", "abc", "!" * 43, "A" * 44, "A" * 42 + "B", "é" * 43])
def test_what_is_no_raw_key_is_refused(text: str) -> None:
    with pytest.raises(GatewayKeyInvalidError, match="sealing_key"):
        rules.decode_raw_key(text, "sealing_key")


def test_keys_that_cannot_be_worked_with_are_found_out() -> None:
    assert rules.is_usable_key(KEYS.signing_public, KEYS.sealing_public)
    assert not rules.is_usable_key(KEYS.signing_public, bytes(32))


def test_a_gateway_is_present_for_ten_seconds() -> None:
    seen = KEYS.gateway(last_seen_at=NOW)
    assert seen.is_present(at=NOW + timedelta(seconds=10))
    assert not seen.is_present(at=NOW + timedelta(seconds=10, milliseconds=1))
    assert not KEYS.gateway().is_present(at=NOW)


def _reporting(*states: tuple[str, ModelState], seen_s: float = 0) -> rules.Gateway:
    reported = tuple(ReportedModel(ref=ref, state=state) for ref, state in states)
    seen_at = NOW - timedelta(seconds=seen_s)
    return KEYS.gateway(last_seen_at=seen_at, reported_models=reported)


def test_a_model_is_ready_when_one_gateway_reaches_it() -> None:
    gateways = [_reporting(("m", "unreachable")), _reporting(("m", "ready"))]
    assert rules.state_of_model(gateways, "m", at=NOW) == "ready"
    assert rules.state_of_model(gateways[:1], "m", at=NOW) == "unreachable"


def test_who_is_absent_or_silent_says_nothing_of_a_model() -> None:
    gateways = [_reporting(("m", "ready"), seen_s=11), _reporting(("other", "ready"))]
    assert rules.state_of_model(gateways, "m", at=NOW) is None


def test_a_gateway_is_connected_while_it_has_a_stream_open() -> None:
    gateway = KEYS.gateway(last_seen_at=NOW, streamed_at=NOW - timedelta(seconds=11))
    assert gateway.connection(at=NOW) == "polling"
    assert gateway.connection(at=NOW - timedelta(seconds=1)) == "connected"
    assert gateway.connection(at=NOW + timedelta(seconds=11)) == "away"


@pytest.mark.parametrize(
    ("skew_ms", "is_off"), [(None, False), (10_000, False), (-10_000, False), (10_001, True)]
)
def test_a_clock_within_the_leeway_is_well(skew_ms: int | None, *, is_off: bool) -> None:
    gateway = KEYS.gateway(clock_skew_ms=skew_ms)
    assert gateway.clock_is_off is is_off
    assert (gateway.clock_note is not None) is is_off


def test_it_is_said_which_way_a_clock_is_off() -> None:
    ahead, behind = KEYS.gateway(clock_skew_ms=12_340), KEYS.gateway(clock_skew_ms=-60_000)
    assert "12.3 s ahead of" in str(ahead.clock_note)
    assert "60.0 s behind" in str(behind.clock_note)


def test_a_signing_key_waits_for_who_was_seen_in_the_last_five_minutes() -> None:
    seen = KEYS.gateway(last_seen_at=NOW)
    assert seen.counts_for_keys(at=NOW + timedelta(minutes=5))
    assert not seen.counts_for_keys(at=NOW + timedelta(minutes=5, seconds=1))
    assert not KEYS.gateway().counts_for_keys(at=NOW)


def test_a_gateway_has_a_name_that_fits_an_address() -> None:
    for name in ("a", "east-1.example", "x" * 64):
        rules.check_name(name)
    for name in ("", "-a", "a-", "a b", "a/b", "x" * 65, "é"):
        with pytest.raises(InvalidFieldsError):
            rules.check_name(name)
