from typing import Any

import pytest
from sqlalchemy import event

from appliance.audit.rules import SYSTEM
from appliance.audit.usecases import verify
from appliance.errors import InvalidFieldsError
from appliance.model_selection import usecases
from appliance.model_selection.usecases.suspensions import MOST_IN_AN_ENTRY
from appliance.namespaces.rules import Namespace
from appliance.self_hosted_models.rules import SelfHostedModel
from appliance.storage.engine import Session
from tests.appliance.model_selection.conftest import CHAT, CODE, Lab
from tests.instance_builders import NOW

SUSPENDED, RESTORED = "model_choice_suspended", "model_choice_restored"


def _told(cause: str, *choices: tuple[Namespace, str], feature: str = CHAT) -> dict[str, Any]:
    listed = [{"namespace_id": group.id, "model": model} for group, model in choices]
    return {"feature": feature, "cause": cause, "choices": listed}


def _targets(lab: Lab, action: str) -> list[tuple[str, str]]:
    found = lab.events(action)
    return [(each.entry.target.kind, each.entry.target.id) for each in found]


@pytest.fixture
def top(lab: Lab) -> Namespace:
    return lab.group("lab")


@pytest.fixture
def child(lab: Lab, top: Namespace) -> Namespace:
    return lab.group("ai", parent=top)


def test_what_the_instance_takes_away_and_gives_back(
    lab: Lab, top: Namespace, child: Namespace
) -> None:
    lab.choose(top, "b", CHAT, CODE)
    lab.choose(child, "c")
    lab.set(default_ref="a", allowed=("a", "b"))
    assert lab.entries(SUSPENDED) == [_told("feature_setting_changed", (child, "c"))]
    lab.set(default_ref="a", is_locked=True)
    lab.set(provider="disabled")
    lab.reset()
    assert lab.entries(SUSPENDED)[1:] == [_told("feature_setting_changed", (top, "b"))]
    assert lab.entries(RESTORED) == [_told("feature_setting_reset", (top, "b"), (child, "c"))]
    assert set(_targets(lab, SUSPENDED)) == {("instance", "")}
    assert lab.db.read_blocking(verify).is_intact


def test_another_default_ends_no_choice(lab: Lab, top: Namespace) -> None:
    lab.set(default_ref="a")
    lab.choose(top, "b")
    lab.set(default_ref="c")
    assert not lab.entries(SUSPENDED, RESTORED)


def test_what_a_group_takes_from_those_below(lab: Lab, top: Namespace, child: Namespace) -> None:
    leaf, other = lab.group("leaf", parent=child), lab.group("other")
    for group in (leaf, other):
        lab.choose(group, "c")
    lab.choose(child, "b", narrowed_to=("a", "b"))
    lab.choose(top, "a", is_locked=True)
    lab.inherit(top)
    lab.inherit(child)
    assert lab.entries(SUSPENDED) == [
        _told("model_choice_changed", (leaf, "c")),
        _told("model_choice_changed", (child, "b")),
    ]
    assert lab.entries(RESTORED) == [
        _told("model_choice_reset", (child, "b")),
        _told("model_choice_reset", (leaf, "c")),
    ]
    assert _targets(lab, SUSPENDED) == [("group", str(child.id)), ("group", str(top.id))]


def test_a_refused_change_suspends_nothing(lab: Lab, top: Namespace, child: Namespace) -> None:
    lab.choose(child, "c")
    with pytest.raises(InvalidFieldsError):
        lab.choose(top, "zz", narrowed_to=("zz",))
    assert not lab.entries(SUSPENDED)


def _watched(lab: Lab, model: SelfHostedModel, **changes: Any) -> None:
    def work(session: Session) -> None:
        cause = "model_changed"
        with usecases.watch(session, lab.catalog, cause=cause, actor=SYSTEM, now=NOW):
            lab.change_in(session, model, **changes)

    lab.do(work)


def test_a_model_that_is_disabled_takes_its_choices_with_it(lab: Lab, top: Namespace) -> None:
    late = lab.model("late")
    lab.choose(top, "late", CHAT, CODE)
    _watched(lab, late, is_enabled=False)
    _watched(lab, late, is_enabled=True)
    told = [_told("model_changed", (top, "late"), feature=each) for each in (CODE, CHAT)]
    assert lab.entries(SUSPENDED) == told
    assert lab.entries(RESTORED) == told


def test_a_model_with_another_ref_takes_its_choices_along(lab: Lab, top: Namespace) -> None:
    late = lab.model("late")
    lab.set(default_ref="late", allowed=("late", "a"))
    lab.choose(top, "late")

    def work(session: Session) -> None:
        with usecases.watch(session, lab.catalog, cause="x", actor=SYSTEM, now=NOW):
            lab.change_in(session, late, ref="new")
            usecases.rename(session, "late", "new", now=NOW)

    lab.do(work)
    assert not lab.entries(SUSPENDED, RESTORED)
    assert lab.view(top).here.model == "new"


def test_a_group_that_lies_elsewhere_chooses_from_something_else(
    lab: Lab, top: Namespace, child: Namespace
) -> None:
    other = lab.group("other")
    lab.choose(other, "a", narrowed_to=("a", "b"))
    lab.choose(child, "c")

    def work(session: Session) -> None:
        cause = "group_moved"
        with usecases.watch(session, lab.catalog, cause=cause, actor=SYSTEM, now=NOW, below=child):
            lab.put_below(session, child, other)

    lab.do(work)
    assert lab.entries(SUSPENDED) == [_told("group_moved", (child, "c"))]
    assert _targets(lab, SUSPENDED) == [("group", str(child.id))]
    assert lab.view(top).here.model is None


def test_many_choices_end_in_several_entries_and_the_same_number_of_reads(lab: Lab) -> None:
    lab.set(default_ref="a")
    few = _reads(lab, lambda: lab.set(default_ref="a", allowed=("a",)))
    lab.set(default_ref="a")
    top = lab.group("lab")
    groups = lab.many_groups(top, MOST_IN_AN_ENTRY + 1)
    lab.many_choices(groups, CHAT, "b")
    many = _reads(lab, lambda: lab.set(default_ref="a", allowed=("a",)))
    entries = lab.entries(SUSPENDED)
    assert [len(each["choices"]) for each in entries] == [MOST_IN_AN_ENTRY, 1]
    assert many == few


def _reads(lab: Lab, work: Any) -> int:
    """How many times choices and groups are read meanwhile."""
    seen: list[str] = []

    def note(*arguments: Any) -> None:
        seen.append(arguments[2])

    event.listen(lab.db.engine, "before_cursor_execute", note)
    work()
    event.remove(lab.db.engine, "before_cursor_execute", note)
    tables = ("namespace_choice", "namespaces")
    return sum(1 for each in seen if any(table in each for table in tables))
