from typing import Any

import pytest
from strawberry.scalars import JSON

from appliance.ai_actions.errors import OneActionError
from appliance.ai_actions.graphql.ids import AiModelID
from appliance.ai_actions.graphql.inputs import (
    INPUT_TYPES,
    AiActionInput,
    AiAdditionalContextInput,
    AiChatInput,
    AiCurrentFileInput,
    chosen_action,
    own_inputs,
)
from appliance.ai_actions.graphql.names import AiAdditionalContextCategory
from appliance.ai_actions.rules import ActionName, ResourceRef
from appliance.ai_actions.rules.catalogue import ACTIONS, Action
from appliance.errors import InvalidFieldsError

ABOUT = AiModelID(ResourceRef(kind="Issue", id=1))


def _given(action: ActionName, **said: Any) -> Any:
    return INPUT_TYPES[action](**said)


def _asked(**actions: Any) -> Any:
    return AiActionInput(**actions)


@pytest.mark.parametrize("action", ACTIONS.values(), ids=lambda each: each.name)
def test_every_action_of_the_catalogue_can_be_asked_for_with_all_it_takes(action: Action) -> None:
    said: dict[str, Any] = {"text": "x", "flag": True, "number": 7}
    inputs = {name: said[each.kind] for name, each in action.inputs.items()}
    given = _given(action.name, resource_id=ABOUT, **inputs)
    assert chosen_action(_asked(**{action.name: given})) == (action.name, given)
    assert own_inputs(given) == inputs


def test_it_is_exactly_one() -> None:
    about = _given("summarize_comments", resource_id=ABOUT)
    for wrong in (
        {},
        {"chat": None},
        {"summarize_comments": about, "chat": _given("chat", content="Hi")},
    ):
        with pytest.raises(OneActionError, match=r"^Only one method argument is required$"):
            chosen_action(_asked(**wrong))


def test_what_is_null_or_left_out_is_not_there() -> None:
    given = _given("explain_code", resource_id=ABOUT, code="pass", file_name=None)
    assert own_inputs(given) == {"code": "pass"}


def test_what_comes_along_is_nested_so_deeply_and_no_deeper() -> None:
    def nested(depth: int) -> AiChatInput:
        metadata: Any = "x"
        for _ in range(depth):
            metadata = {"in": [metadata]}
        added = AiAdditionalContextInput(
            category=AiAdditionalContextCategory.FILE, id="1", content="", metadata=metadata
        )
        return AiChatInput(content="Why?", additional_context=[added])

    own_inputs(nested(5))
    with pytest.raises(InvalidFieldsError, match="nested"):
        own_inputs(nested(400))


def test_what_comes_along_with_a_question_is_plain_too() -> None:
    file = AiCurrentFileInput(file_name="a.py", selected_text="pass")
    added = AiAdditionalContextInput(
        category=AiAdditionalContextCategory.LOCAL_GIT,
        id="1",
        content="diff",
        metadata=JSON({"a": [1]}),
    )
    given = AiChatInput(content="Why?", current_file=file, additional_context=[added])
    assert own_inputs(given) == {
        "content": "Why?",
        "current_file": {"file_name": "a.py", "selected_text": "pass"},
        "additional_context": [
            {"category": "local_git", "id": "1", "content": "diff", "metadata": {"a": [1]}}
        ],
    }
