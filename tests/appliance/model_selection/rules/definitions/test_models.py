from typing import Any

import pytest

from appliance.model_selection.rules.definitions import Offer, Problem, Reading, read_definitions
from gateway.contract.catalog import load_catalog
from tests.appliance.model_selection.rules.definitions.builders import (
    a_defined_feature,
    a_defined_model,
    a_document,
    a_list,
    a_listed_model,
)


def read(*models: Any) -> Reading:
    return read_definitions(a_document(list(models), []), load_catalog())


def the_only_offer(reading: Reading) -> Offer:
    (offer,) = reading.offers
    return offer


def the_only_problem(reading: Reading) -> Problem:
    (problem,) = reading.problems
    return problem


def test_a_model_is_taken_as_it_is_defined() -> None:
    told = {
        "name": " Large ",
        "provider": "amazonq",
        "family": "mistral",
        "release_state": "beta",
        "description": "For all\nthat is long.",
        "cost_indicator": "$$",
        "context_tokens": 32_000,
        "served": False,
        "deprecation": None,
    }
    assert the_only_offer(read(a_defined_model("org/Large-7", **told))) == Offer(
        ref="org/Large-7",
        name="Large",
        provider="amazonq",
        family="mistral",
        release_state="BETA",
        description="For all\nthat is long.",
        cost_indicator="$$",
        context_tokens=32_000,
        is_served=False,
        features=frozenset(),
        beta_for=frozenset(),
        default_for=frozenset(),
    )


def test_what_a_model_does_not_say_its_family_does() -> None:
    family = load_catalog().model_families["codegemma"]
    offer = the_only_offer(read(a_defined_model("a", family="codegemma")))
    told = (offer.release_state, offer.context_tokens)
    assert told == (family.release_state, family.context_tokens)
    plain = the_only_offer(read(a_defined_model("a")))
    assert (plain.release_state, plain.context_tokens, plain.provider) == ("GA", None, "duo")
    assert plain.is_served


def test_who_made_a_model_is_not_who_is_entitled() -> None:
    reading = read(a_defined_model("a", provider="Anthropic"))
    assert (the_only_offer(reading).provider, reading.problems) == ("duo", ())


@pytest.mark.parametrize(
    ("members", "code", "says"),
    [
        ({"name": ""}, "field_unusable", "the field name is not 1 to 255"),
        ({"name": None}, "field_unusable", "the field name"),
        ({"name": "a\0b"}, "field_unusable", "the field name"),
        ({"description": 5}, "field_unusable", "the field description"),
        ({"description": "x" * 2_001}, "field_unusable", "the field description"),
        ({"context_tokens": 0}, "field_unusable", "the field context_tokens"),
        ({"context_tokens": True}, "field_unusable", "the field context_tokens"),
        ({"context_tokens": 2**31}, "field_unusable", "the field context_tokens"),
        ({"served": "no"}, "field_unusable", "the field served is neither true nor false"),
        ({"family": "llama9"}, "family_unknown", "the family 'llama9' is none of mistral"),
        ({"release_state": "ALPHA"}, "release_state_unknown", "the release state 'ALPHA'"),
        ({"provider": "shm"}, "provider_not_allowed", "the provider 'shm' is for models"),
    ],
)
def test_a_field_that_cannot_be_used_costs_only_itself(
    members: dict[str, Any], code: str, says: str
) -> None:
    reading = read(a_defined_model("a", **members))
    problem = the_only_problem(reading)
    assert (problem.entry, problem.code, problem.identifier) == ("models[0]", code, "a")
    assert says in problem.sentence
    offer = the_only_offer(reading)
    assert (offer.ref, offer.provider, offer.family) == ("a", "duo", None)
    assert offer.release_state == ("EXPERIMENT" if "release_state" in members else "GA")


@pytest.mark.parametrize("told", [None, "", 5, ["a"]])
def test_a_model_without_an_identifier_might_be_any(told: Any) -> None:
    reading = read({"name": "A", "identifier": told})
    problem = the_only_problem(reading)
    assert (problem.code, problem.identifier) == ("identifier_missing", None)
    assert "('A') has no identifier" in problem.sentence
    assert reading.unread.any_model


@pytest.mark.parametrize("entry", [5, None, "a", ["a"], {}])
def test_an_entry_that_is_no_model_might_be_any(entry: Any) -> None:
    reading = read(entry, a_defined_model("good"))
    assert the_only_problem(reading).entry == "models[0]"
    assert (the_only_offer(reading).ref, reading.unread.any_model) == ("good", True)


@pytest.mark.parametrize(
    ("identifier", "code"),
    [
        ("a b", "identifier_unusable"),
        ("x" * 256, "identifier_unusable"),
        ("a\0", "identifier_unusable"),
        ("Default", "identifier_reserved"),
    ],
)
def test_an_identifier_that_is_no_ref_is_said_once(identifier: str, code: str) -> None:
    models = [a_defined_model(identifier), a_defined_model("good")]
    features = [a_defined_feature("duo_chat", identifier, identifier, "good")]
    reading = read_definitions(a_document(models, features), load_catalog())
    assert the_only_problem(reading).code == code
    assert not reading.unread.any_model
    assert the_only_offer(reading).features == {"duo_chat"}


def test_of_two_refs_that_are_one_the_first_holds() -> None:
    reading = read(a_defined_model("a-b", name="First"), a_defined_model("A/b"))
    problem = the_only_problem(reading)
    assert (problem.entry, problem.code) == ("models[1]", "identifier_duplicate")
    assert (the_only_offer(reading).name, "an earlier model, a-b" in problem.sentence) == (
        "First",
        True,
    )


def test_in_a_list_the_identifier_is_called_id() -> None:
    reading = read_definitions(a_list({"identifier": "a"}, a_listed_model("b")), load_catalog())
    assert the_only_problem(reading).sentence.startswith("The model [0] has no id")
