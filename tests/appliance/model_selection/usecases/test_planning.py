"""A plan that was made before something else was written."""

import pytest

from appliance.model_selection.usecases import planning
from appliance.namespaces.usecases import groups
from appliance.self_hosted_models.usecases import registration
from tests.appliance.model_selection.conftest import Lab
from tests.appliance.model_selection.usecases.builders import Desk, brings


@pytest.fixture
def desk(lab: Lab) -> Desk:
    return Desk(lab)


def test_the_topics_are_those_of_who_publishes() -> None:
    assert registration.TOPIC == planning.SELF_HOSTED_MODEL
    assert groups.TOPIC == planning.NAMESPACE


async def test_a_plan_from_before_another_sync_is_made_anew(desk: Desk) -> None:
    plan = await desk.plan(brings("new", "old"))
    await desk.run(brings("old"))
    report = desk.take_over(plan)
    assert (report.changes["added"], report.changes["changed"]) == (1, 0)
    assert list(desk.offered()) == ["new", "old"]
    # And of two that are the same, the second changes nothing.
    assert not any(desk.take_over(plan).changes.values())


async def test_a_ref_that_was_registered_meanwhile_is_not_taken(lab: Lab, desk: Desk) -> None:
    plan = await desk.plan(brings("new", "other"))
    lab.model("new")
    report = desk.take_over(plan)
    assert [each.code for each in report.state.problems] == ["ref_taken"]
    assert list(desk.offered()) == ["other"]


async def test_a_model_that_was_chosen_meanwhile_is_kept(lab: Lab, desk: Desk) -> None:
    await desk.run(brings("wanted"))
    group = lab.group("team")
    plan = await desk.plan(brings())
    lab.choose(group, "wanted")
    assert desk.take_over(plan).changes["retired"] == 1
    assert list(desk.offered()) == ["wanted"]
    assert len(lab.entries("model_choice_suspended")) == 1


async def test_a_setting_that_was_changed_meanwhile_is_what_counts(lab: Lab, desk: Desk) -> None:
    group = lab.group("team")
    await desk.run(brings("wanted"))
    lab.choose(group, "wanted")
    plan = await desk.plan(brings("wanted", served=False))
    lab.set(default_ref="a", is_locked=True)
    assert len(lab.entries("model_choice_suspended")) == 1
    # The choice had stopped counting before.
    desk.take_over(plan)
    assert len(lab.entries("model_choice_suspended")) == 1


async def test_groups_make_no_difference_where_nothing_is_taken_away(lab: Lab, desk: Desk) -> None:
    await desk.run(brings("one"))
    plans = [await desk.plan(brings("one", "two")), await desk.plan(brings("two"))]
    lab.choose(lab.group("team"), "one")
    current = [lab.do(planning.is_current, plan) for plan in plans]
    assert current == [True, False]
    lab.set(default_ref="a")
    assert not lab.do(planning.is_current, plans[0])


async def test_a_failure_is_remembered_whatever_happened_since(lab: Lab, desk: Desk) -> None:
    plan = await desk.plan(500)
    lab.model("new")
    assert desk.take_over(plan).state.failures == 1
