from dataclasses import replace

import pytest

from appliance.explanations.rules import CHECK_NAMES, explain
from tests.appliance.explanations.builders import (
    a_purchase,
    a_seat,
    an_asked_model,
    an_item,
    an_offered_model,
    checks_of,
    deciding,
    expired,
    held,
    some_facts,
)
from tests.instance_builders import a_model

MODEL_CHECKS = CHECK_NAMES[7:]


def test_everything_in_order_is_permitted() -> None:
    found = explain(some_facts())
    assert (found.verdict, found.code) == ("permitted", None)
    assert {check.state for check in found.checks} == {"passed"}


def test_without_a_model_only_the_feature_is_judged() -> None:
    found = explain(some_facts(model=None))
    assert found.verdict == "permitted"
    not_reached = [check.name for check in found.checks if check.state == "not_reached"]
    assert not_reached == ["model", "entitlement", "allow_list", "model_state"]
    assert found.model is None


def test_a_model_that_nobody_registered_is_not_found() -> None:
    code, check = deciding(some_facts(model=an_asked_model(registered=None, state=None)))
    assert (code, check.name) == ("model_not_found", "model")


def test_who_runs_the_model_is_asked_before_whether_it_is_well() -> None:
    facts = some_facts(
        holdings=held((a_purchase("duo_enterprise"), a_seat())),
        model=an_asked_model(state="unreachable"),
    )
    code, check = deciding(facts)
    assert (code, check.name) == ("provider_not_entitled", "entitlement")
    assert "Self" in str(check.change)


def test_unequal_quantities_are_the_reason() -> None:
    beside = a_purchase("duo_self_hosted", an_item(quantity=9, accompanies="duo_enterprise"))
    holdings = held((a_purchase("duo_enterprise"), a_seat()), (beside, None))
    code, check = deciding(some_facts(holdings=holdings))
    assert (code, check.name) == ("provider_not_entitled", "entitlement")
    assert "suspended" in check.sentence
    assert "10" in check.sentence


def test_an_entitlement_that_expired_is_said() -> None:
    beside = a_purchase("duo_self_hosted", expired(accompanies="duo_enterprise"))
    holdings = held((a_purchase("duo_enterprise"), a_seat()), (beside, None))
    assert "expired" in deciding(some_facts(holdings=holdings))[1].sentence


def test_a_provider_that_nothing_entitles_to_cannot_be_bought() -> None:
    model = an_asked_model(registered=a_model(provider="none"))
    code, check = deciding(some_facts(model=model))
    assert (code, "another model" in str(check.change)) == ("provider_not_entitled", True)


def test_a_model_out_of_reach_is_unavailable() -> None:
    code, check = deciding(some_facts(model=an_asked_model(state="unreachable")))
    assert (code, check.name) == ("model_unavailable", "model_state")
    assert "casemate models check tiny" in str(check.change)


def test_a_model_of_which_nobody_has_spoken_is_unknown() -> None:
    found = explain(some_facts(model=an_asked_model(state=None)))
    assert (found.verdict, found.code) == ("unknown", None)
    assert found.checks[-1].state == "unknown"


def test_a_disabled_model_is_not_found_and_can_be_enabled() -> None:
    model = an_asked_model(registered=a_model(is_enabled=False))
    code, check = deciding(some_facts(model=model))
    assert (code, check.name) == ("model_not_found", "model")
    assert "models change tiny --enable" in str(check.change)


def test_an_address_of_the_allow_list_is_let_in_and_another_is_not() -> None:
    model = an_asked_model(registered=a_model(allowed_networks=("10.0.0.0/8", "2001:db8::/32")))
    for address in ("10.1.2.3", "::ffff:10.1.2.3", "2001:db8::5"):
        assert explain(some_facts(model=model, address=address)).verdict == "permitted"
    code, check = deciding(some_facts(model=model, address="192.0.2.1"))
    assert (code, check.name) == ("address_not_allowed", "allow_list")
    assert "192.0.2.1" in check.sentence
    assert "CASEMATE_TRUSTED_PROXIES" in str(check.change)


def test_an_allow_list_without_an_address_leaves_the_answer_open() -> None:
    model = an_asked_model(registered=a_model(allowed_networks=("10.0.0.0/8",)))
    found = explain(some_facts(model=model))
    assert found.verdict == "unknown"
    assert [check.state for check in found.checks][-2:] == ["unknown", "not_reached"]
    assert "--address" in str(found.checks[-2].change)


def test_without_an_allow_list_every_address_may() -> None:
    assert explain(some_facts(address="192.0.2.1")).verdict == "permitted"


@pytest.mark.parametrize("name", MODEL_CHECKS)
def test_each_check_of_a_model_says_what_it_found(name: str) -> None:
    assert checks_of(some_facts())[name].sentence


def test_a_model_that_the_gateway_brings_is_judged_like_one_that_is_registered() -> None:
    brought = an_asked_model(registered=None, offered=an_offered_model(), ref="left")
    found = explain(some_facts(model=brought))
    assert (found.verdict, found.model) == ("permitted", "left")
    other = replace(brought, offered=an_offered_model(provider="amazonq"))
    code, check = deciding(some_facts(model=other))
    assert (code, check.name) == ("provider_not_entitled", "entitlement")


def test_a_model_that_the_gateway_does_not_serve_is_not_found() -> None:
    unbound = an_offered_model(why_unusable="No endpoint is bound to it.")
    model = an_asked_model(registered=None, offered=unbound)
    code, check = deciding(some_facts(model=model))
    assert (code, check.name) == ("model_not_found", "model")
    assert "No endpoint is bound" in check.sentence
    assert "upstreams file" in str(check.change)
