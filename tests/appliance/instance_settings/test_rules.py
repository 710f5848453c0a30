from datetime import timedelta
from ipaddress import ip_network

import pytest

from appliance.errors import InvalidFieldsError
from appliance.instance_settings import rules
from appliance.instance_settings.errors import AddressNotAllowedHereError
from appliance.instance_settings.rules import Addresses, FormerIssuer, Stored
from tests.instance_builders import NOW

TOLD = Addresses(
    instance_public_url="http://i", gateway_public_url="http://g", ai_gateway_url="http://a"
)
LOOPBACK = [ip_network("127.0.0.0/8")]
HOUR = rules.FORMER_ISSUER_LASTS


def _resolve(host: str, _port: int) -> list[str]:
    if host == "unknown":
        raise OSError
    return {"inside": ["127.0.0.1"], "half": ["127.0.0.1", "192.0.2.1"]}[host]


def test_the_environment_holds_for_what_was_not_set_here() -> None:
    found = rules.effective(TOLD, [])
    assert (found.addresses, found.ai_gateway_timeout_s) == (TOLD, 60)
    assert (found.set_here, found.updated_at) == (frozenset(), None)


def test_what_was_set_here_holds() -> None:
    stored = [
        Stored(name="ai_gateway_url", value="http://b", changed_at=NOW),
        Stored(name="ai_gateway_timeout_seconds", value="90", changed_at=NOW - timedelta(days=1)),
        Stored(name="of_a_later_release", value="x", changed_at=NOW + timedelta(days=1)),
    ]
    found = rules.effective(TOLD, stored)
    assert found.addresses.ai_gateway_url == "http://b"
    assert found.addresses.gateway_public_url == "http://g"
    assert found.ai_gateway_timeout_s == 90
    assert found.set_here == {"ai_gateway_url", "ai_gateway_timeout_seconds"}
    assert found.updated_at == NOW


def test_a_former_issuer_is_accepted_until_its_last_token_has_ended() -> None:
    former = [
        FormerIssuer(issuer="http://old", replaced_at=NOW - HOUR),
        FormerIssuer(issuer="http://b", replaced_at=NOW - HOUR + timedelta(seconds=1)),
        FormerIssuer(issuer="http://a", replaced_at=NOW),
        FormerIssuer(issuer="http://i", replaced_at=NOW),
    ]
    found = rules.accepted_issuers("http://i", former, now=NOW)
    assert found == ("http://i", "http://a", "http://b")


def test_changes_are_brought_into_their_stored_form() -> None:
    changes: dict[str, str | int | None] = {
        "ai_gateway_timeout_seconds": 600,
        "ai_action_api_rate_limit": 0,
        "gateway_public_url": "https://ai.example.org/gateway/",
        "ai_gateway_url": None,
    }
    assert rules.checked_changes(changes) == {
        "ai_gateway_timeout_seconds": "600",
        "ai_action_api_rate_limit": "0",
        "gateway_public_url": "https://ai.example.org/gateway",
        "ai_gateway_url": None,
    }


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("issuer", "http://x"),
        ("ai_gateway_timeout_seconds", 59),
        ("ai_gateway_timeout_seconds", "601"),
        ("ai_gateway_timeout_seconds", "6e1"),
        ("ai_gateway_timeout_seconds", "٦٠"),
        ("ai_gateway_timeout_seconds", -60),
        ("ai_gateway_timeout_seconds", "9" * 5000),
        ("ai_action_api_rate_limit", -1),
        ("ai_action_api_rate_limit", 1_000_001),
        ("ai_action_api_rate_limit", "many"),
        ("ai_gateway_url", "ftp://g"),
        ("ai_gateway_url", "http://"),
        ("ai_gateway_url", "http://u:p@g"),
        ("ai_gateway_url", "http://g?x"),
        ("gateway_public_url", "http://g#x"),
        ("instance_public_url", "http://g h"),
        ("instance_public_url", ""),
        ("instance_public_url", 7),
    ],
)
def test_what_cannot_be_used_is_named(name: str, value: str | int) -> None:
    with pytest.raises(InvalidFieldsError) as refusal:
        rules.checked_changes({name: value})
    assert list(refusal.value.fields) == [name]


def test_an_address_within_the_networks_is_fine() -> None:
    found = rules.check_address(
        "ai_gateway_url", "http://inside:5052", networks=LOOPBACK, resolve=_resolve
    )
    assert (found.host, found.port) == ("inside", 5052)


@pytest.mark.parametrize("name", rules.NAMES[:3])
def test_an_address_outside_is_refused(name: rules.Name) -> None:
    with pytest.raises(AddressNotAllowedHereError) as refusal:
        rules.check_address(name, "http://half", networks=LOOPBACK, resolve=_resolve)
    assert name in refusal.value.fields


def test_only_clients_need_to_know_the_public_names() -> None:
    rules.check_address(
        "instance_public_url", "http://unknown", networks=LOOPBACK, resolve=_resolve
    )
    with pytest.raises(AddressNotAllowedHereError, match="cannot be resolved"):
        rules.check_address("ai_gateway_url", "http://unknown", networks=LOOPBACK, resolve=_resolve)
