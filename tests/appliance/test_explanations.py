"""What is explained is what instance and gateway then do, for any organisation."""

from collections.abc import Callable, Sequence
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from appliance.access_tokens.rules import Origin, Standing, Subject, direct_claims
from appliance.accounts.errors import UserBlockedError
from appliance.accounts.rules import Caller, check_credential
from appliance.explanations.rules import AskedModel, Facts, explain
from appliance.feature_flags.rules import load_definitions
from appliance.licensing.rules import Holding, Item, Purchase, holding
from gateway.contract.claims import Claims
from gateway.errors import GatewayError
from gateway.policy.permits import permit_feature, permit_provider
from tests.appliance.explanations.builders import (
    CATALOG,
    a_namespace,
    a_seat,
    an_item,
    everything,
    expired,
    future,
    in_grace,
    some_facts,
)
from tests.instance_builders import NOW, a_model, a_pat, a_user

SUBJECT = Subject(global_user_id="opaque", credential="pat:3", generation=0)
ORIGIN = Origin(issuer="http://i", instance_id="i", realm="self-managed")
FLAGS = sorted(load_definitions())
# A busy machine is slow at drawing, too.
PATIENT = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
STATES = [None, "ready", "unreachable"]


def rarely(draw: st.DrawFn) -> bool:
    # Not at an end of the range, which hypothesis likes to draw.
    return draw(st.integers(0, 15)) == 11


@st.composite
def items(draw: st.DrawFn, add_on: str) -> Item:
    kinds: list[Callable[..., Item]] = [an_item, an_item, expired, in_grace, future]
    made = draw(st.sampled_from(kinds))
    beside = CATALOG.add_ons[add_on].accompanies
    accompanies = draw(st.sampled_from(beside)) if beside else None
    item: Item = made(quantity=draw(st.integers(1, 2)), accompanies=accompanies)
    return item


@st.composite
def organisations(draw: st.DrawFn) -> Sequence[Holding]:
    """Purchases of every kind and age, and which of them the user holds a seat of."""
    names = draw(st.lists(st.sampled_from(sorted(CATALOG.add_ons)), unique=True))
    owned = [
        Purchase(
            id=number,
            add_on=name,
            root_namespace_id=None,
            items=tuple(draw(st.lists(items(name), max_size=2))),
        )
        for number, name in enumerate(names, 1)
    ]
    found = []
    for purchase in owned:
        seat = None
        if CATALOG.add_ons[purchase.add_on].has_seats and draw(st.booleans()):
            seat = a_seat(purchase.id, is_over_limit=draw(st.booleans()))
        found.append(holding(purchase, seat, owned=owned, catalog=CATALOG, at=NOW))
    return found


@st.composite
def asked_models(draw: st.DrawFn) -> AskedModel:
    if rarely(draw):
        return AskedModel(ref="tiny", registered=None, state=None)
    provider = draw(st.sampled_from(["shm", *CATALOG.providers]))
    state: Any = draw(st.sampled_from(STATES))
    return AskedModel(ref="tiny", registered=a_model(provider=provider), state=state)


@st.composite
def all_facts(draw: st.DrawFn) -> Facts:
    off = {draw(st.sampled_from(FLAGS))} if rarely(draw) else set()
    in_group = draw(st.booleans())
    often = ["duo_chat", "complete_code"]
    return some_facts(
        user=a_user(state="blocked" if rarely(draw) else "active"),
        unit_primitive=draw(st.sampled_from([*often, *CATALOG.unit_primitives])),
        flags=frozenset(FLAGS) - off,
        namespace=a_namespace() if in_group else None,
        is_member=not in_group or not rarely(draw),
        holdings=draw(st.one_of(organisations(), st.builds(everything))),
        model=draw(asked_models()),
    )


def minted(facts: Facts) -> Claims | str:
    """The claims that the user's new token would carry, or what the instance refuses with."""
    try:
        check_credential(Caller(user=facts.user, credential=a_pat()), at=NOW)
    except UserBlockedError as error:
        return error.code
    if not facts.is_member:
        return "namespace_not_granted"
    held = Standing(grant=facts.grant, flags=facts.flags, namespace=facts.namespace)
    return direct_claims(SUBJECT, held, origin=ORIGIN, jti=UUID(int=1), now=NOW)


def answered(claims: Claims, facts: Facts) -> str | None:
    """The code that the gateway refuses with, asking in the order of its surfaces."""
    assert facts.model is not None
    try:
        permit_feature(claims, facts.unit_primitive)
        if facts.model.registered is None:
            return "model_not_found"
        permit_provider(claims, facts.model.registered.provider)
    except GatewayError as error:
        return str(error.code)
    return "model_unavailable" if facts.model.state == "unreachable" else None


@settings(PATIENT, max_examples=1500)
@given(facts=all_facts())
def test_what_is_explained_is_what_the_gateway_decides(facts: Facts) -> None:
    found = explain(facts)
    claims = minted(facts)
    refusal = claims if isinstance(claims, str) else answered(claims, facts)
    assert found.code == refusal
    knows = facts.model is not None and facts.model.state is not None
    permitted = "permitted" if knows else "unknown"
    assert found.verdict == ("refused" if refusal else permitted)


@settings(PATIENT, max_examples=300)
@given(facts=all_facts())
def test_one_check_decides_and_says_what_would_change_it(facts: Facts) -> None:
    found = explain(facts)
    states = [check.state for check in found.checks]
    decided = [state for state in states if state in {"failed", "unknown"}]
    assert len(decided) == (found.verdict != "permitted")
    if decided:
        at = states.index(decided[0])
        assert set(states[:at]) <= {"passed"}
        assert set(states[at + 1 :]) <= {"not_reached"}
        assert found.checks[at].change
    assert all(check.sentence for check in found.checks)


@pytest.mark.parametrize("flag", FLAGS)
def test_a_flag_takes_exactly_what_it_is_said_to_guard(flag: str) -> None:
    for unit_primitive in CATALOG.unit_primitives:
        facts = some_facts(unit_primitive=unit_primitive, flags=frozenset(FLAGS) - {flag})
        everything = some_facts(unit_primitive=unit_primitive, flags=frozenset(FLAGS))
        if unit_primitive in everything.grant.scopes:
            is_guarded = flag in {*facts.guards, "ai_global_switch"}
            assert (unit_primitive in facts.grant.scopes) is not is_guarded
