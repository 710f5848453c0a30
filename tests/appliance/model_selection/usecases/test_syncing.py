from collections.abc import Mapping, Sequence
from datetime import timedelta

import pytest

from appliance.audit.rules import SYSTEM
from appliance.instance_settings.usecases import change_settings
from appliance.model_selection import usecases
from appliance.model_selection.rules.counting import with_new_refs
from appliance.outbound import UnreachableError
from gateway.contract.catalog import load_catalog
from tests.appliance.model_selection.conftest import CHAT, CODE, Lab
from tests.appliance.model_selection.rules.definitions.builders import (
    SEED,
    a_defined_feature,
    a_defined_model,
    a_document,
)
from tests.appliance.model_selection.usecases.builders import INTERVAL, TOLD, Desk, brings
from tests.instance_builders import NOW


@pytest.fixture
def desk(lab: Lab) -> Desk:
    return Desk(lab)


async def test_the_seed_s_document_is_taken_over_and_its_contradictions_kept(desk: Desk) -> None:
    report = await desk.run(SEED)
    assert report.changes == {"added": 3, "changed": 0, "returned": 0, "retired": 0, "deleted": 0}
    assert len(report.state.problems) == 3
    offered = desk.offered()
    assert offered["claude_sonnet_3_7_20250219"].default_for == {
        "duo_chat",
        "code_generations",
        "code_completions",
    }
    assert desk.asked == ["http://gateway.test/v1/models/definitions"]


async def test_refs_that_nothing_defines_can_be_looked_up(lab: Lab, desk: Desk) -> None:
    assert lab.do(usecases.unlisted_refs) == {}
    await desk.run(SEED)
    assert lab.do(usecases.unlisted_refs) == {
        "claude-3-7-sonnet-20250219": ["duo_chat", "code_generations", "code_completions"]
    }


async def test_only_refs_that_nothing_defines_are_looked_up_and_once(lab: Lab, desk: Desk) -> None:
    # "a" is registered here; "gone" is both the default and selectable.
    features = [a_defined_feature(CHAT, "gone", "a", "gone"), a_defined_feature(CODE, None, "gone")]
    report = await desk.run(a_document([a_defined_model("a")], features))
    assert len(report.state.problems) == 4
    assert lab.do(usecases.unlisted_refs) == {"gone": [CHAT, CODE]}


async def test_the_same_again_writes_nothing_but_that_it_was_read(lab: Lab, desk: Desk) -> None:
    await desk.run(SEED)
    before = desk.offered()
    later = NOW + timedelta(hours=1)
    report = await desk.run(at=later)
    assert not any(report.changes.values())
    assert (report.state.succeeded_at, report.state.due_at) == (later, later + INTERVAL)
    assert lab.do(usecases.sync_state) == report.state
    assert desk.offered() == before
    assert lab.told("offered_model") == [{"change": "synced"}]
    (entry,) = lab.entries("models_synced")
    assert (entry["added"], entry["problems"]) == (3, 3)


async def test_what_is_planned_is_what_holds_then(lab: Lab, desk: Desk) -> None:
    await desk.run(brings("one", "two", "a_third", default="one"))
    lab.set(provider="vendored", default_ref="two", allowed=("two", "a_third"))
    plan = await desk.plan(brings("one", "A-Third", "new", default="new"))
    before = lab.do(usecases.offers, lab.catalog)
    assert plan.before == {
        name: with_new_refs(each, {"a_third": "A-Third"}) for name, each in before.items()
    }
    desk.take_over(plan)
    assert lab.do(usecases.offers, lab.catalog) == plan.after


async def test_a_model_keeps_the_features_that_it_keeps(desk: Desk) -> None:
    models = [a_defined_model("m"), a_defined_model("n")]
    both = [a_defined_feature(CHAT, "m", "m", "n"), a_defined_feature(CODE, None, "m")]
    await desk.run(a_document(models, both))
    moved = [a_defined_feature(CHAT, "n", "m", "n"), a_defined_feature(CODE, None, "n")]
    assert (await desk.run(a_document(models, moved))).changes["changed"] == 2
    assert suiting(desk) == {"m": ([CHAT], [], []), "n": ([CODE, CHAT], [], [CHAT])}
    trial = [a_defined_feature(CHAT, None, "n", beta_models=["m"])]
    await desk.run(a_document(models, trial))
    assert suiting(desk) == {"m": ([], [CHAT], []), "n": ([CHAT], [], [])}


def suiting(desk: Desk) -> Mapping[str, tuple[list[str], ...]]:
    """For which features each model is, for which as a trial, and of which it is the default."""
    return {
        ref: tuple(sorted(each) for each in (model.features, model.beta_for, model.default_for))
        for ref, model in desk.offered().items()
    }


async def test_a_default_of_the_gateway_is_that_of_the_instance(lab: Lab, desk: Desk) -> None:
    await desk.run(brings("new", default="new"))
    assert lab.effective(None).model == "new"
    await desk.run(brings("new", default="new", served=False))
    assert lab.effective(None).model is None


async def test_a_model_that_is_gone_stays_while_it_is_named(lab: Lab, desk: Desk) -> None:
    await desk.run(brings("named", "other"))
    group = lab.group("team")
    lab.choose(group, "named")
    report = await desk.run(brings())
    assert (report.changes["retired"], report.changes["deleted"]) == (1, 1)
    assert desk.offered()["named"].retired_at == NOW
    assert lab.effective(group).model is None
    (entry,) = lab.entries("model_choice_suspended")
    assert (entry["cause"], entry["feature"]) == ("models_synced", CHAT)
    lab.inherit(group)
    assert (await desk.run(brings())).changes["deleted"] == 1
    assert not desk.offered()


async def test_a_model_that_comes_back_is_what_was_chosen(lab: Lab, desk: Desk) -> None:
    await desk.run(brings("named"))
    group = lab.group("team")
    lab.choose(group, "named")
    await desk.run(brings())
    report = await desk.run(brings("named"))
    assert report.changes["returned"] == 1
    assert lab.effective(group).model == "named"
    assert len(lab.entries("model_choice_restored")) == 1


async def test_another_spelling_of_a_ref_is_followed(lab: Lab, desk: Desk) -> None:
    await desk.run(brings("a_model"))
    group = lab.group("team")
    lab.choose(group, "a_model")
    number = desk.offered()["a_model"].id
    await desk.run(brings("A-Model"))
    assert desk.offered()["A-Model"].id == number
    assert lab.effective(group).model == "A-Model"
    assert not lab.entries("model_choice_suspended", "model_choice_restored")


async def test_a_broken_feature_keeps_what_worked_before(desk: Desk) -> None:
    models = [a_defined_model("m")]
    features = [a_defined_feature(CHAT, "m"), a_defined_feature(CODE, "m")]
    await desk.run(a_document(models, features))
    before = desk.offered()
    features[0]["selectable_models"] = 5
    features[0]["default_model"] = "elsewhere"
    report = await desk.run(a_document(models, features))
    assert [each.code for each in report.state.problems] == ["entry_unusable", "default_unlisted"]
    assert desk.offered() == before


async def test_a_ref_that_is_registered_here_is_not_offered(desk: Desk) -> None:
    report = await desk.run(brings("A", "new"))
    assert list(desk.offered()) == ["new"]
    assert [each.code for each in report.state.problems] == ["ref_taken"]


@pytest.mark.parametrize(
    ("says", "failure"),
    [
        (
            UnreachableError("no answer in time"),
            (
                "The AI gateway cannot be reached right now; try again in a moment "
                "(no answer in time)."
            ),
        ),
        (503, "The gateway answered 503 when asked for its model definitions."),
        (b"<html>", "The gateway's model definitions are not JSON."),
    ],
)
async def test_a_failure_keeps_what_was_and_is_remembered(
    lab: Lab, desk: Desk, says: bytes | int | Exception, failure: str
) -> None:
    await desk.run(SEED)
    before = desk.offered()
    later = NOW + INTERVAL
    report = await desk.run(says, at=later)
    state = report.state
    assert (state.failure, state.failures, state.succeeded_at) == (failure, 1, NOW)
    assert (state.tried_at, state.due_at) == (later, later + timedelta(seconds=5))
    assert (desk.offered(), len(state.problems)) == (before, 3)
    assert len(lab.told("offered_model")) == 1


async def test_failures_are_counted_until_one_look_succeeds(desk: Desk) -> None:
    waits = [(await desk.run(500)).state.due_at - NOW for _ in range(3)]
    assert [each.total_seconds() for each in waits] == [5, 10, 20]
    assert (await desk.run(b"[]")).state.failures == 0
    assert (await desk.run(500)).state.failures == 1


async def test_it_is_due_at_first_then_after_the_interval(desk: Desk) -> None:
    assert desk.due() == "http://gateway.test"
    await desk.run()
    assert desk.due(at=NOW + INTERVAL - timedelta(seconds=1)) is None
    assert desk.due(at=NOW + INTERVAL) == "http://gateway.test"


async def test_another_gateway_is_asked_at_once(lab: Lab, desk: Desk) -> None:
    await desk.run(500)
    changes = {"ai_gateway_url": "http://other.test"}
    lab.do(change_settings, changes, TOLD, actor=SYSTEM, now=NOW)
    assert desk.due() == "http://other.test"
    state = (await desk.run(500)).state
    # The failures of the other one say nothing of this one.
    assert (state.source, state.failures) == ("http://other.test", 1)
    assert desk.due() is None


async def test_a_registered_model_cannot_take_an_offered_ref(lab: Lab, desk: Desk) -> None:
    await desk.run(brings("an_offer"))
    naming = usecases.ModelNaming(load_catalog())
    refs: Sequence[str] = ("An/Offer", "a", "other")
    assert [lab.do(naming.has_ref, ref) for ref in refs] == [True, False, False]
