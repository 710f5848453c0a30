from dataclasses import replace
from typing import Any

import pytest

from appliance.explanations.rules import Recollection, explain, problem_of, recorded
from tests.appliance.explanations.builders import (
    DAY,
    a_decision,
    a_selection,
    an_asked_model,
    some_facts,
)
from tests.instance_builders import NOW, a_model, a_user


def test_a_decision_is_kept_as_it_was_told() -> None:
    kept = recorded(a_decision(namespace_id=4), "g", 7)
    assert problem_of(a_decision(namespace_id=4), now=NOW) is None
    assert (kept.decision_id, kept.happened_at) == (a_decision().decision_id, NOW)
    assert (kept.gateway_id, kept.user_id, kept.namespace_id) == ("g", 7, 4)


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"happened_at": (NOW + DAY).timestamp()}, "future"),
        ({"happened_at": float("inf")}, "future"),
        ({"happened_at": float("nan")}, "future"),
        ({"happened_at": (NOW - 30 * DAY).timestamp()}, "older"),
        ({"happened_at": float("-inf")}, "older"),
        ({"decision_id": "x"}, "ULID"),
        ({"subject": ""}, "missing"),
        ({"code": "c" * 256}, "too long"),
        ({"model": "a\0b"}, "printable"),
        ({"unit_primitive": "\n"}, "printable"),
        ({"address": "1\n"}, "printable"),
        ({"namespace_id": 0}, "number"),
        ({"namespace_id": 2**31}, "number"),
    ],
)
def test_what_cannot_be_kept_says_why(changes: dict[str, Any], reason: str) -> None:
    assert reason in str(problem_of(a_decision(**changes), now=NOW))


def test_a_clock_that_is_a_little_ahead_is_no_future() -> None:
    soon = a_decision(happened_at=NOW.timestamp() + 299)
    assert problem_of(soon, now=NOW) is None


def _recalled(code: str = "feature_not_granted", **facts: Any) -> Recollection:
    decision = recorded(a_decision(code=code), "g", 7)
    return Recollection(decision=decision, explanation=explain(some_facts(**facts)))


def test_a_refusal_would_still_be_one_or_not() -> None:
    assert _recalled().would_still_be_refused is False
    assert _recalled(user=a_user(state="blocked")).would_still_be_refused is True
    assert _recalled().note is None


def test_what_cannot_be_explained_cannot_be_foretold() -> None:
    assert replace(_recalled(), explanation=None).would_still_be_refused is None
    assert _recalled(model=an_asked_model(state=None)).would_still_be_refused is None


def test_what_an_address_decided_is_told_where_the_list_still_stands() -> None:
    restricted = an_asked_model(registered=a_model(allowed_networks=("10.0.0.0/8",)))
    found = _recalled(code="address_not_allowed", model=restricted)
    assert found.would_still_be_refused is None
    assert "audit" in str(found.note)
    assert _recalled(code="address_not_allowed").would_still_be_refused is False


def test_what_the_headers_decided_is_not_foretold() -> None:
    found = _recalled(code="namespace_not_granted")
    assert found.would_still_be_refused is None
    assert "headers" in str(found.note)
    blocked = _recalled(code="namespace_not_granted", user=a_user(state="blocked"))
    assert blocked.would_still_be_refused is True


def test_a_request_may_have_named_no_model_where_another_is_used_by_now() -> None:
    moved_on = a_selection(named="huge")
    found = _recalled(code="provider_not_entitled", selection=moved_on)
    assert found.would_still_be_refused is None
    assert "names none" in str(found.note)
    same = _recalled(code="model_not_selectable", selection=moved_on)
    assert (same.would_still_be_refused, same.note) == (True, None)
