import pytest

from appliance.ai_actions.rules.codes import CODES
from appliance.ai_actions.rules.gateway.faults import code_of_event, code_of_status, read_refusal
from gateway.contract.codes import STATUS


@pytest.mark.parametrize(
    ("status", "refusal", "code"),
    [
        (421, "model_fault", "A1001"),
        (429, "model_busy", "A1001"),
        (502, "upstream_failed", "A1001"),
        (503, "model_unavailable", "A1001"),
        (504, "", "A1000"),
        (404, "model_not_found", "A1001"),
        (400, "prompt_too_long", "A1005"),
        (413, "", "A1005"),
        (404, "prompt_not_found", "A1004"),
        (422, "validation_failed", "A1004"),
        (500, "internal_error", "A1004"),
        (302, "", "A1004"),
        (401, "token_superseded", "M3003"),
        (402, "insufficient_credits", "M3005"),
        (403, "feature_not_granted", "M3005"),
        (403, "provider_not_entitled", "G3001"),
        (403, "", "M3005"),
    ],
)
def test_each_refusal_has_its_code(status: int, refusal: str, code: str) -> None:
    assert code_of_status(status, refusal, "explain_code") == code


@pytest.mark.parametrize("refusal", STATUS)
def test_all_that_a_gateway_says_is_in_the_table(refusal: str) -> None:
    assert code_of_status(STATUS[refusal], refusal, "duo_chat") in CODES  # type: ignore[index]  # its own codes


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ("The prompt is too long for this model.", "A1005"),
        ("tool not available: epic_reader", "G3001"),
        ("Something else", "A1004"),
        (None, "A1004"),
    ],
)
def test_an_error_event_has_a_code(message: str | None, code: str) -> None:
    assert code_of_event(message) == code


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b"\xff", b'{"code": 3}', b"[" * 100_000, b'{"detail": "x"}']
)
def test_a_body_that_is_no_refusal_says_nothing(body: bytes) -> None:
    said = read_refusal(body)
    assert (said.code, said.decision_id) == ("", "")


def test_a_refusal_is_read() -> None:
    said = read_refusal(b'{"detail": "No.", "code": "feature_disabled", "decision_id": "d"}')
    assert (said.code, said.decision_id) == ("feature_disabled", "d")
