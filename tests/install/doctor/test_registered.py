from datetime import UTC, datetime
from typing import Any

import pytest

from install import contents
from install.doctor.box import Box
from tests.fakes import parts
from tests.install.doctor.conftest import GATEWAY, KID, LICENCE, Look

KEYS = "/api/v4/ai/signing_keys"
GATEWAYS = "/api/v4/ai/gateways"
LICENCES = "/api/v4/licenses"
EXPLAINED = "/api/v4/ai/explanations"


def test_a_token_that_is_not_taken_says_how_to_make_one(box: Box, look: Look) -> None:
    contents.token_file(box.places).write_text("old")
    found = look("admin", answers={"/api/v4/user": None})
    assert (found.state, found.fix) == ("failed", "casemate users token admin")


def test_a_token_that_is_gone_says_how_to_make_one(box: Box, look: Look) -> None:
    contents.token_file(box.places).unlink()
    assert look("admin").fix == "casemate users token admin"


def test_an_instance_without_a_signing_key_is_named(look: Look) -> None:
    found = look("signing_keys", answers={KEYS: [200, []]})
    assert (found.state, found.fix) == ("failed", "casemate keys rotate")


@pytest.mark.parametrize(("age_s", "state"), [(60, "ok"), (7200, "warning")])
def test_a_key_that_waits_for_long_says_for_whom(look: Look, age_s: int, state: str) -> None:
    current = {"kid": KID, "state": "current", "age_s": 9, "waits_for": None}
    waits = {"until": None, "gateways": ["far"]}
    coming = {"kid": "kid-2", "state": "next", "age_s": age_s, "waits_for": waits}
    found = look("signing_keys", answers={KEYS: [200, [current, coming]]})
    assert found.state == state
    assert state == "ok" or "far" in found.found


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"connection": "away"}, "does not ask for the feed"),
        ({"changes_behind": None}, "has read nothing"),
        ({"changes_behind": 4, "seconds_behind": 6.0}, "4 changes behind, for 6 s"),
        ({"clock_is_off": True, "clock_note": "It is off."}, "It is off"),
    ],
)
def test_a_gateway_that_does_not_follow_is_named(
    look: Look, changes: dict[str, Any], said: str
) -> None:
    found = look("gateways", answers={GATEWAYS: [200, [{**GATEWAY, **changes}]]})
    assert found.state == "failed"
    assert said in found.found
    assert "casemate gateways show local" in str(found.fix)


def test_five_seconds_behind_is_well(look: Look) -> None:
    behind = {**GATEWAY, "changes_behind": 1, "seconds_behind": 5.0}
    assert look("gateways", answers={GATEWAYS: [200, [behind]]}).state == "ok"


def test_another_machines_gateway_that_is_away_is_a_warning(look: Look) -> None:
    far = {**GATEWAY, "name": "far", "connection": "away"}
    found = look("gateways", answers={GATEWAYS: [200, [GATEWAY, far]]})
    assert found.state == "warning"
    assert "casemate gateways remove far" in str(found.fix)


def test_no_gateway_at_all_is_named(look: Look) -> None:
    assert look("gateways", answers={GATEWAYS: [200, []]}).state == "failed"


def test_a_gateway_without_the_key_that_signs_is_named(look: Look) -> None:
    found = look("key_set", answers={GATEWAYS: [200, [{**GATEWAY, "kids": ["kid-0"]}]]})
    assert (found.state, found.facts["without"]) == ("failed", ["local"])


@pytest.mark.parametrize("answer", [[200, {"keys": []}], [503, {}]])
def test_a_key_that_is_not_published_is_named(look: Look, answer: list[Any]) -> None:
    assert look("key_set", answers={"/oauth/discovery/keys": answer}).state == "failed"


@pytest.mark.parametrize(
    ("licences", "state", "said"),
    [
        ([], "failed", "There is no licence"),
        ([{**LICENCE, "expired": True}], "failed", "has ended"),
        ([{**LICENCE, "counts": False}], "failed", "has ended"),
        ([{**LICENCE, "expires_at": "2026-11-30"}], "warning", "ends on 2026-11-30"),
        ([{**LICENCE, "is_demo": True}], "warning", "demonstration"),
        ([{**LICENCE, "warnings": ["Seats are short."]}], "warning", "Seats are short"),
    ],
)
def test_a_licence_that_does_not_last_is_told(
    look: Look, box: Box, licences: list[Any], state: str, said: str
) -> None:
    box.now = lambda: datetime(2026, 11, 22, tzinfo=UTC)
    found = look("licence", answers={LICENCES: [200, licences]})
    assert found.state == state
    assert said in found.found
    assert "licence" in str(found.fix)


def test_a_grant_that_is_missing_is_explained(look: Look) -> None:
    check = {"name": "seat", "state": "failed", "sentence": "No seat.", "change": "Give one."}
    body = {"verdict": "refused", "code": "feature_not_granted", "checks": [check]}
    found = look("grant", answers={EXPLAINED: [200, body]})
    assert (found.state, found.found, found.fix) == ("failed", "No seat.", "Give one.")


def test_a_grant_that_nobody_knows_is_a_warning(look: Look) -> None:
    body: dict[str, Any] = {"verdict": "unknown", "code": None, "checks": []}
    found = look("grant", answers={EXPLAINED: [200, body]})
    assert (found.state, found.fix) == ("warning", "casemate explain")


def test_a_model_whose_endpoint_does_not_answer_is_named(look: Look) -> None:
    found = look("models", endpoint_fault="wrong_identifier")
    assert (found.state, found.fix) == ("failed", "Mend it.")
    assert found.facts["models"] == {"starter": "wrong_identifier"}
    assert "starter: models: It is wrong." in found.found


def test_no_model_that_is_on_is_named(look: Look) -> None:
    parts.InstanceSurface.models = ()
    found = look("models")
    assert (found.state, "casemate models add" in str(found.fix)) == ("failed", True)
