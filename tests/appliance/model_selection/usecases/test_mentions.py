import pytest

from appliance.audit.rules import SYSTEM
from appliance.model_selection import usecases
from appliance.namespaces.rules import Namespace
from gateway.contract.selection import Choice
from tests.appliance.model_selection.conftest import CHAT, CODE, Lab
from tests.instance_builders import NOW


@pytest.fixture
def top(lab: Lab) -> Namespace:
    return lab.group("lab")


def _release(lab: Lab, ref: str) -> None:
    lab.do(usecases.release, ref, actor=SYSTEM, now=NOW)


def test_every_way_to_name_a_model_is_a_use(lab: Lab, top: Namespace) -> None:
    assert lab.do(usecases.uses_of, "b").features == ()
    lab.set(CHAT, default_ref="a", allowed=("a", "b"))
    lab.set(CODE, default_ref="b")
    lab.choose(top, "a", CHAT, narrowed_to=("a", "b"))
    lab.choose(top, "b", CODE)
    lab.choose(lab.group("other"), "b", CODE)
    found = lab.do(usecases.uses_of, "b")
    assert (found.features, found.groups) == ((CODE, CHAT), 2)
    assert lab.do(usecases.uses_of, "c").groups == 0


def test_what_names_a_released_model_falls_back(lab: Lab, top: Namespace) -> None:
    lab.set(CHAT, default_ref="a", allowed=("a", "b"))
    lab.set(CODE, default_ref="b", allowed=("a", "b"))
    lab.choose(top, "a", CHAT, narrowed_to=("a", "b"))
    lab.choose(top, "b", CODE)
    _release(lab, "b")
    assert lab.feature(CODE).setting is None
    chat = lab.feature(CHAT).setting
    assert chat is not None
    assert (chat.default_ref, chat.allowed) == ("a", frozenset("a"))
    assert lab.view(top, CODE).choice is None
    assert lab.view(top).choice == Choice(CHAT, "a", narrowed_to=frozenset("a"))
    found = lab.do(usecases.uses_of, "b")
    assert (found.features, found.groups) == ((), 0)


def test_a_release_is_told_to_the_audit_and_to_gateways(lab: Lab, top: Namespace) -> None:
    child = lab.group("ai", parent=top)
    lab.set(CHAT, default_ref="b")
    lab.choose(top, "b", narrowed_to=("b",))
    lab.choose(child, "b", is_locked=True)
    lab.choose(lab.group("other"), "c")
    _release(lab, "b")
    dropped = {"feature": CHAT, "cause": "model_released", "model": "b"}
    assert lab.entries("model_choice_reset") == [{**dropped, "groups": [top.id, child.id]}]
    [reset] = lab.entries("feature_setting_reset")
    assert (reset["after"], reset["cause"]) == (None, "model_released")
    assert lab.told("group_choice")[-1] == {
        "namespace_ids": [top.id, child.id],
        "features": [CHAT],
    }
    assert lab.told("feature_setting")[-1] == {"features": [CHAT], "change": "changed"}
    assert not lab.entries("model_choice_suspended")


def test_a_choice_counts_again_when_that_above_it_is_released(lab: Lab, top: Namespace) -> None:
    child = lab.group("ai", parent=top)
    lab.choose(child, "c")
    lab.choose(top, "b", is_locked=True)
    _release(lab, "b")
    [restored] = lab.entries("model_choice_restored")
    assert restored["choices"] == [{"namespace_id": child.id, "model": "c"}]
    assert restored["cause"] == "model_released"


def test_everything_follows_a_model_to_its_new_ref(lab: Lab, top: Namespace) -> None:
    late = lab.model("late")
    lab.set(CHAT, default_ref="late", allowed=("late", "a"))
    lab.choose(top, "late", CHAT, narrowed_to=("a", "late"))
    lab.change_model(late, ref="new")
    lab.do(usecases.rename, "late", "new", now=NOW)
    setting, choice = lab.feature().setting, lab.view(top).choice
    assert setting is not None
    assert (setting.default_ref, setting.allowed) == ("new", frozenset({"new", "a"}))
    assert choice == Choice(CHAT, "new", narrowed_to=frozenset({"a", "new"}))
    assert lab.view(top).here.model == "new"
    assert lab.told("group_choice")[-1] == {"namespace_ids": [top.id], "features": [CHAT]}
    assert lab.told("feature_setting")[-1] == {"features": [CHAT], "change": "renamed"}


def test_what_nothing_names_is_renamed_and_released_in_silence(lab: Lab) -> None:
    lab.do(usecases.rename, "zz", "yy", now=NOW)
    _release(lab, "zz")
    assert not lab.told("group_choice") + lab.told("feature_setting")
