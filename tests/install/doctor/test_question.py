from typing import Any

import pytest

from install.doctor.box import Box
from tests.install.doctor.conftest import Look, settle

DECISION = "/api/v4/ai/explanations/d-1"


def a_refusal(status: int, code: str, **more: Any) -> list[Any]:
    return [status, {"error": {"code": code, "message": "It is refused.", **more}}]


@pytest.mark.parametrize(
    ("status", "code", "hop"),
    [
        (401, "invalid_token", "key_set"),
        (401, "something_new", "key_set"),
        (403, "feature_not_granted", "grant"),
        (403, "provider_not_entitled", "licence"),
        (403, "address_not_allowed", "callers"),
        (503, "model_unavailable", "models"),
        (503, "configuration_unavailable", "gateways"),
        (500, "broken", "gateway"),
    ],
)
def test_a_refusal_names_the_hop_at_fault(look: Look, status: int, code: str, hop: str) -> None:
    found = look("question", gateway_says=a_refusal(status, code))
    assert (found.state, found.facts["failing_hop"]) == ("failed", hop)
    assert f"({status} {code})" in found.found
    assert hop in str(found.fix)


def test_a_refusal_with_a_decision_is_explained(look: Look) -> None:
    check = {"name": "seat", "state": "failed", "sentence": "No seat.", "change": "Give one."}
    told = {"decision_id": "d-1", "explanation": {"checks": [check]}}
    refusal = a_refusal(403, "feature_not_granted", decision_id="d-1")
    found = look("question", gateway_says=refusal, answers={DECISION: [200, told]})
    assert found.fix == "Give one."
    assert "What decides is seat: No seat." in found.found


def test_a_decision_that_never_arrives_is_named(look: Look) -> None:
    refusal = a_refusal(403, "feature_not_granted", decision_id="d-1")
    missing = {DECISION: [404, {"message": "404 Not Found", "code": "not_found"}]}
    found = look("question", gateway_says=refusal, answers=missing)
    assert found.fix == "casemate explain --decision d-1"


def test_an_answer_without_a_token_is_named(look: Look) -> None:
    found = look("question", no_tokens=True)
    assert found.state == "failed"
    assert "without a single token" in found.found


def test_a_refusal_that_is_no_json_is_told_by_its_status(look: Look) -> None:
    assert "(502 502)" in look("question", gateway_says=[502, []]).found


def test_a_gateway_that_goes_away_is_told(box: Box, look: Look, free_port: int) -> None:
    settle(box, gateway_port=free_port)
    box._probes[f"{box.settings.gateway_url}/monitoring/ready"] = box.probe(
        f"{box.settings.instance_url}/-/readiness"
    )
    assert "No answer to a question came" in look("question").found
