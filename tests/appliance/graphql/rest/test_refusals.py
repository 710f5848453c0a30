from typing import Any

import pytest

from tests.graphql_asker import Asker

NOT_ACCEPTED = {"code": "argumentNotAccepted"}


async def test_a_field_or_argument_that_is_not_there_has_a_code_of_its_own(asker: Asker) -> None:
    cases: list[tuple[str, dict[str, Any]]] = [
        ("{ currentUser { secretField } }", {}),
        ("{ currentUser(secretField: 1) { id } }", {}),
        ("{ __type(name: 1, secretField: 2) { name } }", {}),
        ("mutation { aiAction(input: {secretField: {}}) { requestId } }", {}),
        ("mutation { aiAction(input: {chatt: {}}) { requestId } }", {}),
        (
            "mutation ($i: AiActionInput!) { aiAction(input: $i) { requestId } }",
            {"i": {"secretField": {}}},
        ),
    ]
    for query, variables in cases:
        errors = (await asker.answer(query, **variables))["errors"]
        found = [each for each in errors if each.get("extensions") == NOT_ACCEPTED]
        assert len(found) == 1, (query, errors)


async def test_a_misspelt_input_is_told_what_was_meant(asker: Asker) -> None:
    errors = (await asker.answer("mutation { aiAction(input: {chatt: {}}) { requestId } }"))[
        "errors"
    ]
    assert "Did you mean 'chat'?" in str(errors)


@pytest.mark.parametrize(
    "query",
    [
        "{ currentUser }",
        "query ($x: Nothing) { currentUser { id } }",
        "{ ...Missing }",
        '{ featureFlagEnabled(name: ["is not defined"]) }',
    ],
)
async def test_what_else_is_not_valid_has_not(asker: Asker, query: str) -> None:
    errors = (await asker.answer(query))["errors"]
    assert all(each.get("extensions") != NOT_ACCEPTED for each in errors)


async def test_what_was_sent_under_an_unknown_name_is_not_said_again(asker: Asker) -> None:
    query = "mutation ($i: AiActionInput!) { aiAction(input: $i) { requestId } }"
    errors = (await asker.answer(query, i={"unknown": {"token": "topsecret"}}))["errors"]
    assert "topsecret" not in str(errors)
