from typing import Any

import pytest

from appliance.ai_actions.rules import ActionName
from appliance.ai_actions.rules.catalogue import ACTIONS, MAX_TEXT_CHARS
from appliance.ai_actions.rules.inputs import check_inputs
from appliance.errors import InvalidFieldsError

BRANCHES = {"source_branch": "a", "target_branch": "b"}


def _problems(name: ActionName, **given: Any) -> dict[str, str]:
    with pytest.raises(InvalidFieldsError) as refused:
        check_inputs(ACTIONS[name], given)
    return refused.value.fields


def test_what_an_action_needs_is_enough_and_more_is_left_alone() -> None:
    check_inputs(ACTIONS["explain_code"], {"code": "x" * MAX_TEXT_CHARS, "other": 1})
    check_inputs(ACTIONS["summarize_comments"], {})
    check_inputs(ACTIONS["explain_vulnerability"], {"include_source_code": True})
    check_inputs(ACTIONS["summarize_new_merge_request"], {**BRANCHES, "source_project_id": 3})


@pytest.mark.parametrize("code", ["", " \n\t", None])
def test_what_is_required_has_more_than_blanks(code: str | None) -> None:
    assert set(_problems("explain_code", code=code)) == {"code"}


def test_a_text_has_an_end() -> None:
    problems = _problems("explain_code", code="x" * 1_048_576, file_name="n" * 1_001)
    assert problems == {
        "code": "must be at most 100,000 characters, and has 1,048,576",
        "file_name": "must be at most 1,000 characters, and has 1,001",
    }


@pytest.mark.parametrize("number", [True, 0, -1, "3", 2**63, 1.5])
def test_a_number_is_one(number: object) -> None:
    problems = _problems("summarize_new_merge_request", **BRANCHES, source_project_id=number)
    assert problems == {"source_project_id": "must be a number"}


def test_a_flag_and_a_text_are_what_they_should_be() -> None:
    flag = _problems("explain_vulnerability", include_source_code="yes")
    assert flag == {"include_source_code": "must be true or false"}
    assert _problems("explain_code", code=["x"]) == {"code": "must be a text"}
