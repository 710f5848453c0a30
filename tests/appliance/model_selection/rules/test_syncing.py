from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from appliance.model_selection.rules.definitions import NOT_SERVED, Offer, Reading, Unread
from appliance.model_selection.rules.pool import OfferedModel
from appliance.model_selection.rules.syncing import (
    Changes,
    SyncState,
    after_changes,
    as_offer,
    changes_by,
    is_due,
    wait,
    without_clashes,
)
from tests.instance_builders import NOW

CHAT = frozenset({"duo_chat"})
TEN_MINUTES = timedelta(minutes=10)


def an_offered_model(ref: str = "a", **changes: Any) -> OfferedModel:
    fields = {
        "id": 1,
        "ref": ref,
        "name": ref.title(),
        "provider": "duo",
        "family": None,
        "release_state": "GA",
        "description": None,
        "cost_indicator": None,
        "context_tokens": None,
        "is_served": True,
        "retired_at": None,
        "features": CHAT,
        "beta_for": frozenset(),
        "default_for": frozenset(),
    }
    return OfferedModel(**{**fields, **changes})


def an_offer(ref: str = "a", **changes: Any) -> Offer:
    return replace(as_offer(an_offered_model(ref)), **changes)


def a_state(**changes: Any) -> SyncState:
    fields = {
        "source": "http://gateway.test",
        "tried_at": NOW,
        "succeeded_at": NOW,
        "failures": 0,
        "due_at": NOW + TEN_MINUTES,
        "failure": None,
        "problems": (),
    }
    return SyncState(**{**fields, **changes})


def changed(*offers: Offer, stored: tuple[OfferedModel, ...], **unread: Any) -> Changes:
    reading = Reading(offers=offers, unread=Unread(**unread))
    return changes_by(reading, stored, named={"named"})


@pytest.mark.parametrize(
    ("state", "source", "due"),
    [
        (None, "http://gateway.test", True),
        (a_state(), "http://gateway.test", False),
        (a_state(), "http://other.test", True),
        (a_state(due_at=NOW), "http://gateway.test", True),
        (a_state(due_at=NOW + timedelta(microseconds=1)), "http://gateway.test", False),
    ],
)
def test_a_gateway_is_asked_when_it_is_time_or_another(
    state: SyncState | None, source: str, due: bool
) -> None:
    assert is_due(state, source, now=NOW) is due


@pytest.mark.parametrize(
    ("failures", "seconds"),
    [(0, 600), (1, 5), (2, 10), (3, 20), (7, 320), (8, 600), (10_000, 600)],
)
def test_each_failure_doubles_the_wait_up_to_the_interval(failures: int, seconds: int) -> None:
    assert wait(failures, TEN_MINUTES, chance=0) == timedelta(seconds=seconds)
    assert wait(failures, TEN_MINUTES, chance=1) == timedelta(seconds=seconds * 0.9)


def test_a_short_interval_is_never_outwaited() -> None:
    assert wait(3, timedelta(seconds=2), chance=0) == timedelta(seconds=2)


def test_what_says_the_same_changes_nothing() -> None:
    changes = changed(an_offer(), stored=(an_offered_model(),))
    assert not changes
    assert set(changes.counts.values()) == {0}


def test_models_come_change_and_go() -> None:
    was, gone = an_offered_model("a"), an_offered_model("gone", id=2)
    named = an_offered_model("named", id=3)
    new, other = an_offer("new"), an_offer("a", name="Other")
    changes = changed(new, other, stored=(was, gone, named))
    assert changes == Changes(
        added=(new,), changed=((was, other),), retired=(named,), deleted=(gone,)
    )
    assert changes.counts == {"added": 1, "changed": 1, "returned": 0, "retired": 1, "deleted": 1}


def test_after_the_changes_there_is_what_they_say() -> None:
    same, was, gone, named = (
        an_offered_model(ref, id=number) for number, ref in enumerate(("s", "m-1", "gone", "named"))
    )
    back = an_offered_model("back", id=7, retired_at=NOW)
    respelled, new = an_offer("M_1", name="Other"), an_offer("new")
    stored = (same, was, gone, named, back)
    changes = changed(an_offer("s"), respelled, new, an_offer("back"), stored=stored)
    assert changes.respelled == {"m-1": "M_1"}
    after = after_changes(stored, changes)
    assert after == [same, replace(respelled, ref="m-1"), an_offer("back"), new]
    assert [each.why_unusable for each in after] == [None] * 4
    assert an_offer(is_served=False).why_unusable == NOT_SERVED


def test_a_retired_model_goes_when_nothing_names_it_any_more() -> None:
    named = an_offered_model("named", retired_at=NOW)
    unnamed = an_offered_model("unnamed", retired_at=NOW)
    assert changed(stored=(named, unnamed)) == Changes(deleted=(unnamed,))
    assert changed(stored=(named,), any_model=True) == Changes()


def test_a_retired_model_comes_back_as_it_is_now() -> None:
    was = an_offered_model("named", retired_at=NOW)
    assert changed(an_offer("named"), stored=(was,)).returned == ((was, an_offer("named")),)


def test_a_ref_in_another_spelling_is_the_same_model() -> None:
    was, now = an_offered_model("a_B"), an_offer("A-b")
    assert changed(now, stored=(was,)) == Changes(changed=((was, now),))


@pytest.mark.parametrize("unread", [{"models": frozenset({"a-b"})}, {"any_model": True}])
def test_a_model_that_may_be_meant_is_kept(unread: dict[str, Any]) -> None:
    assert not changed(stored=(an_offered_model("a_b"),), **unread)


def test_a_model_that_is_kept_is_no_default_beside_another() -> None:
    was = an_offered_model("a", default_for=CHAT | {"code_completions"})
    other = an_offer("b", default_for=CHAT)
    changes = changed(other, stored=(was,), any_model=True)
    ((_, kept),) = changes.changed
    assert kept.default_for == {"code_completions"}


def test_a_feature_that_cannot_be_read_stays_as_it_was() -> None:
    was = an_offered_model(
        features=CHAT, beta_for=frozenset({"code_completions"}), default_for=CHAT
    )
    empty = an_offer(features=frozenset())
    assert not changed(empty, stored=(was,), features=CHAT | {"code_completions"})
    assert not changed(empty, stored=(was,), features_of=frozenset({"a"}))
    ((_, partly),) = changed(empty, stored=(was,), features=CHAT).changed
    assert (partly.features, partly.beta_for) == (CHAT, frozenset())


def test_a_trial_that_is_none_now_is_none() -> None:
    was = an_offered_model(features=frozenset(), beta_for=CHAT)
    ((_, now),) = changed(an_offer(features=CHAT), stored=(was,), features=CHAT).changed
    assert (now.features, now.beta_for) == (CHAT, frozenset())


def test_a_default_that_cannot_be_read_stays_while_it_suits() -> None:
    was = an_offered_model(default_for=CHAT)
    assert not changed(an_offer(), stored=(was,), defaults=CHAT)
    ((_, unsuited),) = changed(an_offer(features=frozenset()), stored=(was,), defaults=CHAT).changed
    assert unsuited.default_for == frozenset()


def test_a_default_that_can_be_read_holds() -> None:
    was = an_offered_model("a", default_for=CHAT)
    new = an_offer("b", default_for=CHAT)
    changes = changed(an_offer("a"), new, stored=(was,), features=CHAT)
    assert changes.added == (new,)
    ((_, now),) = changes.changed
    assert now.default_for == frozenset()


def test_a_model_that_is_registered_here_is_not_offered() -> None:
    reading = without_clashes(Reading(offers=(an_offer("A/b"), an_offer("c"))), ["a-b", "d"])
    assert [offer.ref for offer in reading.offers] == ["c"]
    (problem,) = reading.problems
    assert (problem.code, problem.identifier) == ("ref_taken", "A/b")
    assert "the self-hosted model a-b has that ref" in problem.sentence


def test_without_a_clash_nothing_is_said() -> None:
    reading = Reading(offers=(an_offer(),))
    assert without_clashes(reading, ["b"]) is reading
