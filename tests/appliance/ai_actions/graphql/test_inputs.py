import pytest
import strawberry
from strawberry.scalars import JSON

from appliance.ai_actions.errors import OneActionError
from appliance.ai_actions.graphql import inputs
from appliance.ai_actions.graphql.ids import AiModelID
from appliance.ai_actions.graphql.names import AiAdditionalContextCategory
from appliance.ai_actions.rules import ResourceRef
from appliance.ai_actions.rules.catalogue import ACTIONS
from appliance.fields.global_ids import ProjectID

ABOUT = AiModelID(ResourceRef(kind="Issue", id=1))


def test_every_action_of_the_catalogue_can_be_asked_for_with_all_it_takes() -> None:
    fields = {
        each.python_name: each
        for each in strawberry.types.get_object_definition(inputs.AiActionInput, strict=True).fields
    }
    for action in ACTIONS.values():
        of_action = getattr(fields[action.name].type, "of_type")  # noqa: B009  # no type tells it
        own = {
            each.python_name: each.graphql_name
            for each in strawberry.types.get_object_definition(of_action, strict=True).fields
        }
        assert set(action.inputs) <= set(own), action.name
        assert "resource_id" in own


def test_it_is_exactly_one() -> None:
    about = inputs.AiSummarizeCommentsInput(resource_id=ABOUT)
    asked = inputs.AiActionInput(summarize_comments=about)
    assert inputs.chosen_action(asked) == ("summarize_comments", about)
    for wrong in (
        inputs.AiActionInput(),
        inputs.AiActionInput(chat=None),
        inputs.AiActionInput(
            summarize_comments=about, chat=inputs.AiChatInput(content="Hi", resource_id=ABOUT)
        ),
    ):
        with pytest.raises(OneActionError, match=r"^Only one method argument is required$"):
            inputs.chosen_action(wrong)


def test_an_action_gets_its_own_inputs_as_json_has_them() -> None:
    given = inputs.AiSummarizeNewMergeRequestInput(
        resource_id=ABOUT,
        source_branch="a",
        target_branch="main",
        source_project_id=ProjectID(3),
    )
    assert inputs.own_inputs(given) == {
        "source_branch": "a",
        "target_branch": "main",
        "source_project_id": 3,
    }


def test_what_is_null_or_left_out_is_not_there() -> None:
    given = inputs.AiExplainCodeInput(resource_id=ABOUT, code="pass", file_name=None)
    assert inputs.own_inputs(given) == {"code": "pass"}


def test_what_comes_along_with_a_question_is_plain_too() -> None:
    file = inputs.AiCurrentFileInput(file_name="a.py", selected_text="pass")
    added = inputs.AiAdditionalContextInput(
        category=AiAdditionalContextCategory.LOCAL_GIT,
        id="1",
        content="diff",
        metadata=JSON({"a": [1]}),
    )
    given = inputs.AiChatInput(content="Why?", current_file=file, additional_context=[added])
    assert inputs.own_inputs(given) == {
        "content": "Why?",
        "current_file": {"file_name": "a.py", "selected_text": "pass"},
        "additional_context": [
            {"category": "local_git", "id": "1", "content": "diff", "metadata": {"a": [1]}}
        ],
    }
