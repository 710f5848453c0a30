import pytest

from appliance.ai_actions.rules.codes import CODES
from appliance.ai_actions.rules.rights import (
    code_of_check,
    code_of_missing_right,
    code_of_refusal,
)
from appliance.explanations.rules import CHECK_NAMES
from gateway.contract.codes import STATUS, Code

REFUSALS = [code for code, status in STATUS.items() if status in {401, 403}]


@pytest.mark.parametrize(
    ("unit_primitive", "is_owned", "code"),
    [
        ("duo_chat", True, "M3004"),
        ("duo_chat", False, "M3006"),
        ("explain_code", True, "M3005"),
        ("explain_code", False, "G3001"),
    ],
)
def test_a_missing_right_is_a_seat_or_a_purchase(
    unit_primitive: str, *, is_owned: bool, code: str
) -> None:
    assert code_of_missing_right(unit_primitive, is_owned=is_owned) == code


@pytest.mark.parametrize("refusal", [*REFUSALS, "", "something_new"])
def test_every_refusal_of_a_gateway_has_a_code_of_the_table(refusal: str) -> None:
    assert code_of_refusal(refusal, "duo_chat") in CODES


def test_a_provider_that_is_not_owned_is_a_purchase_that_is_missing() -> None:
    assert code_of_refusal(Code.PROVIDER_NOT_ENTITLED, "duo_chat") == "M3006"
    assert code_of_refusal(Code.FEATURE_NOT_GRANTED, "duo_chat") == "M3004"
    assert code_of_refusal(Code.FEATURE_DISABLED, "duo_chat") == "M3002"


@pytest.mark.parametrize("check", CHECK_NAMES)
def test_every_check_of_an_explanation_has_a_code_of_the_table(check: str) -> None:
    for refusal in Code:
        assert code_of_check(check, refusal, "explain_code") in CODES
