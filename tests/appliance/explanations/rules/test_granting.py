from dataclasses import replace
from typing import Any

import pytest

from appliance.explanations.rules import CHECK_NAMES
from appliance.licensing.rules import Grant
from appliance.resources.rules import Project
from tests.appliance.explanations.builders import (
    CHAT_SWITCH,
    a_namespace,
    a_purchase,
    a_seat,
    an_item,
    checks_of,
    deciding,
    everything,
    expired,
    future,
    held,
    in_grace,
    some_facts,
)
from tests.instance_builders import NOW, a_user

NOT_GRANTED = "feature_not_granted"


def test_a_blocked_user_gets_no_token() -> None:
    code, check = deciding(some_facts(user=a_user(state="blocked")))
    assert (code, check.name) == ("user_blocked", "user")
    assert "PUT /api/v4/users/7" in str(check.change)


def test_without_a_group_none_is_needed() -> None:
    assert checks_of(some_facts())["namespace"].state == "passed"


def test_a_member_belongs_to_the_group() -> None:
    check = checks_of(some_facts(namespace=a_namespace()))["namespace"]
    assert (check.state, "lab" in check.sentence) == ("passed", True)


def test_who_is_no_member_gets_no_token_for_the_group() -> None:
    code, check = deciding(some_facts(namespace=a_namespace(), is_member=False))
    assert (code, check.name) == ("namespace_not_granted", "namespace")
    assert "POST /api/v4/groups/4/members" in str(check.change)


def test_the_switch_for_everything_comes_before_the_feature_s_own() -> None:
    code, check = deciding(some_facts(flags=frozenset()))
    assert (code, check.name) == (NOT_GRANTED, "global_switch")


def test_a_feature_s_own_flag_is_named() -> None:
    code, check = deciding(some_facts(flags=frozenset({"ai_global_switch"})))
    assert (code, check.name) == (NOT_GRANTED, "feature_flag")
    assert CHAT_SWITCH in check.sentence
    assert f"POST /api/v4/features/{CHAT_SWITCH}" in str(check.change)


def test_what_no_flag_guards_needs_none() -> None:
    check = checks_of(some_facts(guards=()))["feature_flag"]
    assert check.sentence == "No feature flag guards duo_chat."


def test_nothing_bought_says_what_could_be() -> None:
    code, check = deciding(some_facts(holdings=[]))
    assert (code, check.name) == (NOT_GRANTED, "licence")
    assert "Duo Enterprise" in str(check.change)


def test_nothing_bought_in_groups_says_that_none_is_named() -> None:
    _, check = deciding(some_facts(holdings=[], is_saas=True))
    assert "no group is named" in check.sentence
    _, check = deciding(some_facts(holdings=[], is_saas=True, namespace=a_namespace()))
    assert "no group is named" not in check.sentence


def test_what_no_add_on_opens_cannot_be_bought() -> None:
    _, check = deciding(some_facts(unit_primitive="fly", guards=()))
    assert (check.name, "no add-on" in str(check.change)) == ("licence", True)


def test_an_add_on_of_another_release_opens_nothing() -> None:
    holdings = held((a_purchase("duo_next"), a_seat()))
    assert deciding(some_facts(holdings=holdings))[1].name == "licence"


@pytest.mark.parametrize(
    ("items", "said"),
    [
        ((expired(),), "expired on 2026-11-15"),
        ((future(),), "owned from 2026-12-01 only"),
        ((expired(), future()), "owned from 2026-12-01 only"),
    ],
)
def test_a_purchase_that_does_not_count_says_why(items: tuple[Any, ...], said: str) -> None:
    code, check = deciding(
        some_facts(holdings=held((a_purchase("duo_enterprise", *items), a_seat())))
    )
    assert (code, check.name) == (NOT_GRANTED, "licence")
    assert said in check.sentence


def test_a_purchase_whose_licences_were_all_removed_has_expired() -> None:
    purchase = replace(a_purchase("duo_enterprise"), items=())
    _, check = deciding(some_facts(holdings=held((purchase, a_seat()))))
    assert check.sentence.endswith("has expired.")


def test_grace_counts_and_is_said() -> None:
    facts = some_facts(holdings=held((a_purchase("duo_enterprise", in_grace()), a_seat())))
    check = checks_of(facts)["licence"]
    assert (check.state, "until 2026-12-04" in check.sentence) == ("passed", True)


def test_without_a_seat_the_purchase_to_take_one_of_is_named() -> None:
    holdings = held((a_purchase("duo_enterprise", purchase_id=5), None))
    code, check = deciding(some_facts(holdings=holdings))
    assert (code, check.name) == (NOT_GRANTED, "seat")
    assert "POST /api/v4/ai/add_on_purchases/5/seats" in str(check.change)
    assert "casemate seats give duo_enterprise ada" in str(check.change)


def test_a_seat_of_a_group_s_own_purchase_is_given_by_its_number() -> None:
    purchase = replace(a_purchase("duo_enterprise", purchase_id=5), root_namespace_id=4)
    _, check = deciding(some_facts(holdings=held((purchase, None)), namespace=a_namespace()))
    assert str(check.change).startswith("Give the user one: POST /api/v4/ai/")


def test_a_seat_over_the_limit_does_not_count() -> None:
    holdings = held((a_purchase("duo_enterprise"), a_seat(is_over_limit=True)))
    code, check = deciding(some_facts(holdings=holdings))
    assert (code, check.name) == (NOT_GRANTED, "seat")
    assert "over the limit" in check.sentence


def test_one_seat_that_counts_is_enough() -> None:
    holdings = [
        *held((a_purchase("duo_enterprise"), a_seat(is_over_limit=True))),
        *held((a_purchase("duo_pro", purchase_id=3), a_seat(3))),
    ]
    check = checks_of(some_facts(holdings=holdings))["seat"]
    assert (check.state, "Pro" in check.sentence) == ("passed", True)


def test_a_seat_in_a_purchase_that_expired_does_not_count() -> None:
    holdings = [
        *held((a_purchase("duo_enterprise", expired()), a_seat())),
        *held((a_purchase("duo_pro", purchase_id=3), None)),
    ]
    assert deciding(some_facts(holdings=holdings))[1].name == "seat"


def test_an_add_on_without_seats_counts_for_everybody() -> None:
    facts = some_facts(holdings=held((a_purchase("duo_core"), None)))
    assert "needs no seat" in checks_of(facts)["seat"].sentence
    assert checks_of(facts)["scope"].state == "passed"


def test_the_token_has_the_last_word() -> None:
    grant = Grant(scopes=frozenset(), providers=frozenset({"shm"}), ends_at=None)
    code, check = deciding(some_facts(grant=grant))
    assert (code, check.name) == (NOT_GRANTED, "scope")


def test_ai_may_be_off_in_a_project() -> None:
    project = Project(
        id=9,
        namespace_id=4,
        name="Engine",
        path="engine",
        full_path="lab/engine",
        description="",
        visibility="private",
        duo_features_enabled=True,
        created_at=NOW,
    )
    assert checks_of(some_facts())["project"].state == "passed"
    assert "lab/engine" in checks_of(some_facts(project=project))["project"].sentence
    code, check = deciding(some_facts(project=replace(project, duo_features_enabled=False)))
    assert (code, check.name) == ("duo_features_disabled", "project")
    assert "PUT /api/v4/projects/9" in str(check.change)


def test_the_checks_have_the_order_in_which_a_request_meets_them() -> None:
    assert CHECK_NAMES[:8] == (
        "user",
        "namespace",
        "global_switch",
        "feature_flag",
        "project",
        "licence",
        "seat",
        "scope",
    )
    assert list(checks_of(some_facts(holdings=everything()))) == list(CHECK_NAMES)


def test_quantities_do_not_decide_who_is_asked_about_a_feature() -> None:
    bought = a_purchase("duo_enterprise", an_item(quantity=1))
    assert checks_of(some_facts(holdings=held((bought, a_seat()))))["seat"].state == "passed"
