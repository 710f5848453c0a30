from typing import Any

import pytest

from appliance.errors import InvalidFieldsError
from appliance.explanations.rules import Question, asked_unit_primitive, explain
from tests.appliance.explanations.builders import (
    CATALOG,
    an_asked_model,
    checks_of,
    deciding,
    some_facts,
)
from tests.instance_builders import a_user


def asked(**fields: str) -> str:
    return asked_unit_primitive(Question(user_id=7, **fields), CATALOG)  # type: ignore[arg-type]  # texts only


@pytest.mark.parametrize(
    ("facts", "code"),
    [
        ({}, None),
        ({"model": None}, None),
        ({"holdings": []}, "M3006"),
        ({"holdings": [], "unit_primitive": "ask_issue"}, "G3001"),
        ({"holdings": [], "is_saas": True}, "G3002"),
        ({"user": a_user(state="blocked")}, "M3004"),
        ({"flags": frozenset()}, "M3002"),
        ({"model": an_asked_model(state="unreachable")}, "A1001"),
        ({"model": an_asked_model(state=None)}, None),
    ],
)
def test_what_a_user_is_shown_is_named(facts: dict[str, Any], code: str | None) -> None:
    assert explain(some_facts(**facts)).ai_action_code == code


def test_a_project_says_its_group_itself() -> None:
    with pytest.raises(InvalidFieldsError, match="project_id"):
        asked_unit_primitive(
            Question(user_id=7, feature="duo_chat", namespace_id=1, project_id=1), CATALOG
        )


def test_after_the_deciding_check_nothing_is_looked_at() -> None:
    checks = list(checks_of(some_facts(user=a_user(state="blocked"))).values())
    assert {check.state for check in checks[1:]} == {"not_reached"}
    assert not any(check.change for check in checks[1:])


def test_who_can_change_nothing_is_sent_to_an_admin() -> None:
    _, check = deciding(some_facts(holdings=[], is_for_self=True))
    assert str(check.change).startswith("Ask an admin. ")
    _, check = deciding(some_facts(holdings=[]))
    assert "Ask an admin" not in str(check.change)


def test_a_feature_stands_for_its_first_unit_primitive() -> None:
    assert asked(feature="duo_chat") == "duo_chat"
    assert asked(unit_primitive="complete_code") == "complete_code"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({}, "feature"),
        ({"feature": "duo_chat", "unit_primitive": "duo_chat"}, "feature"),
        ({"feature": "fly"}, "feature"),
        ({"unit_primitive": "fly"}, "unit_primitive"),
        ({"feature": "duo_chat", "model": ""}, "model"),
        ({"feature": "duo_chat", "model": "m" * 256}, "model"),
        ({"feature": "duo_chat", "model": "a\0b"}, "model"),
        ({"feature": "duo_chat", "address": "127.1"}, "address"),
    ],
)
def test_what_cannot_be_asked_is_named(fields: dict[str, str], field: str) -> None:
    with pytest.raises(InvalidFieldsError) as caught:
        asked(**fields)
    assert list(caught.value.fields) == [field]


def test_a_feature_without_unit_primitives_cannot_be_asked_about() -> None:
    empty = next(name for name, each in CATALOG.features.items() if not each.unit_primitives)
    with pytest.raises(InvalidFieldsError, match="no unit primitive"):
        asked(feature=empty)
