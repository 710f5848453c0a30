"""The catalogue fits itself, what is granted, and the prompts of the gateway."""

from typing import get_args

import pytest

from appliance.ai_actions.rules import ActionName
from appliance.ai_actions.rules.catalogue import ACTIONS, CHAT
from appliance.ai_actions.usecases.actions import GATHERERS
from appliance.ai_actions.usecases.answering import PARTS_PROMPT_ID
from appliance.ai_actions.usecases.asking_gateway import PROMPT_VERSION
from gateway.contract.catalog import load_catalog
from gateway.prompts.library import load_library

ASKED = [each for each in ACTIONS.values() if each.prompt_id is not None]


def test_every_action_has_a_line_and_all_but_chat_a_class_and_a_prompt() -> None:
    assert set(ACTIONS) == set(get_args(ActionName))
    assert set(GATHERERS) == {each.name for each in ASKED} == set(ACTIONS) - {"chat"}


@pytest.mark.parametrize("name", ACTIONS)
def test_a_line_is_found_under_its_own_names(name: ActionName) -> None:
    action = ACTIONS[name]
    head, *rest = name.split("_")
    assert action.name == name
    assert action.graphql_name == head + "".join(word.title() for word in rest)
    assert action.takes


@pytest.mark.parametrize("name", ACTIONS)
def test_what_an_action_needs_is_granted_and_guarded_with_a_feature(name: ActionName) -> None:
    assert ACTIONS[name].unit_primitive in load_catalog().features_by_unit_primitive()


@pytest.mark.parametrize("prompt_id", [*(each.prompt_id for each in ASKED), PARTS_PROMPT_ID])
def test_the_gateway_has_the_prompt_of_each_action(prompt_id: str) -> None:
    prompt = load_library().find(
        prompt_id, PROMPT_VERSION, family=None, is_feature_enabled=lambda _: False
    )
    owner = next((each for each in ASKED if each.prompt_id == prompt_id), None)
    owner = owner or ACTIONS["summarize_comments"]
    assert prompt.unit_primitive == owner.unit_primitive


def test_only_chat_is_a_conversation() -> None:
    assert ACTIONS["chat"].unit_primitive == CHAT
    assert ACTIONS["chat"].prompt_id is None
