from typing import Any

import pytest

from appliance.explanations.rules import explain
from gateway.contract.selection import Choice
from tests.appliance.explanations.builders import (
    a_namespace,
    a_selection,
    an_asked_model,
    checks_of,
    deciding,
    some_facts,
)

LAB = a_namespace()
TEAM = a_namespace(id=5, parent_id=4, ancestry=(4, 5), depth=2, full_path="lab/team")


def facts(**selection: Any) -> Any:
    """Facts where the model that is named, or would be used, is in order."""
    made = a_selection(**selection)
    ref = made.named or made.held.model
    model = None if ref is None else an_asked_model(ref=ref)
    return some_facts(selection=made, model=model)


def test_without_a_name_the_model_of_the_feature_is_explained() -> None:
    found = explain(facts())
    assert (found.verdict, found.model) == ("permitted", "tiny")
    checks = checks_of(facts())
    assert "chosen by the instance" in checks["feature_setting"].sentence
    assert "so tiny is meant" in checks["selection"].sentence


def test_the_group_that_chose_is_named() -> None:
    chosen = facts(chain=(LAB, TEAM), chosen={4: Choice("duo_chat", "big")})
    assert explain(chosen).model == "big"
    assert "chosen by the group lab." in checks_of(chosen)["feature_setting"].sentence


def test_a_unit_primitive_of_no_feature_is_free() -> None:
    checks = checks_of(some_facts())
    assert checks["feature_setting"].state == checks["selection"].state == "passed"
    assert "no feature" in checks["selection"].sentence


def test_a_disabled_feature_is_refused_and_can_be_assigned() -> None:
    code, check = deciding(facts(is_disabled=True, default=None, selectable=frozenset()))
    assert (code, check.name) == ("feature_disabled", "feature_setting")
    assert "casemate features assign duo_chat" in str(check.change)
    assert "PUT /api/v4/ai/feature_settings/duo_chat" in str(check.change)


@pytest.mark.parametrize(
    ("selection", "sentence"),
    [
        ({"default": None}, "none is named"),
        ({"default": None, "selectable": frozenset()}, "none that suits it"),
        ({"default": None, "problem": "It is disabled. Assign another model."}, "It is disabled"),
        ({"default": None, "named": "tiny", "is_locked": True}, "has locked its choice"),
        ({"default": None, "named": "tiny", "may_switch": False}, "ai_model_switching is off"),
    ],
)
def test_nothing_assigned_is_refused_with_the_reason(
    selection: dict[str, Any], sentence: str
) -> None:
    code, check = deciding(facts(**selection))
    assert (code, check.name) == ("feature_not_assigned", "feature_setting")
    assert sentence in check.sentence


def test_where_nothing_is_assigned_a_model_may_be_named() -> None:
    found = facts(default=None, named="big")
    assert explain(found).verdict == "permitted"
    assert "a model is named" in checks_of(found)["feature_setting"].sentence
    assert "may be named" in checks_of(found)["selection"].sentence


LOCKED = {4: Choice("duo_chat", "tiny", True)}
NARROWED = {4: Choice("duo_chat", "tiny", False, frozenset({"tiny"}))}


@pytest.mark.parametrize(
    ("selection", "sentence", "change"),
    [
        ({"named": "huge"}, "the instance does not offer it", "casemate features show duo_chat"),
        ({"is_locked": True}, "the instance has locked", "features lock duo_chat --unlock`"),
        ({"may_switch": False}, "ai_model_switching is off", "/features/ai_model_switching"),
        ({"chosen": LOCKED}, "the group lab has locked", "--unlock --group lab"),
        ({"chosen": NARROWED}, "the group lab leaves only", "groups/4/ai_feature_settings"),
    ],
)
def test_a_model_that_may_not_be_named_is_refused_with_the_level(
    selection: dict[str, Any], sentence: str, change: str
) -> None:
    code, check = deciding(facts(**{"named": "big", "chain": (LAB, TEAM), **selection}))
    assert (code, check.name) == ("model_not_selectable", "selection")
    assert sentence in check.sentence
    assert change in str(check.change)
    assert "To be named there: " in check.sentence


def test_only_some_of_what_may_be_named_is_listed() -> None:
    many = frozenset(f"m{number:02}" for number in range(12))
    _, check = deciding(facts(default="m00", selectable=many, named="huge"))
    assert "m09 and 2 more." in check.sentence
    assert "m10" not in check.sentence
