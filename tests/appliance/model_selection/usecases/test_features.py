from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from appliance.audit.rules import SYSTEM
from appliance.errors import InvalidFieldsError, NotFoundError
from appliance.model_selection import usecases
from appliance.model_selection.errors import FeatureUnknownError
from tests.appliance.model_selection.conftest import CHAT, CODE, Lab
from tests.instance_builders import NOW


def test_without_a_setting_everything_that_suits_may_be_chosen(lab: Lab) -> None:
    lab.offer("cloud", CHAT, default_for=[CHAT])
    found = lab.feature()
    assert (found.setting, found.provider, found.problem) == (None, "vendored", None)
    assert found.default is not None
    assert found.default.ref == "cloud"
    assert [each.ref for each in found.models] == ["a", "b", "c", "cloud"]
    assert lab.feature(CODE).provider == "unassigned"
    names = [each.name for each in lab.do(usecases.list_features, catalog=lab.catalog)]
    assert names == list(lab.catalog.features)


def test_a_setting_takes_the_place_of_what_was(lab: Lab) -> None:
    lab.set(default_ref="a", allowed=("a", "b"), is_locked=True)
    [found] = lab.set(provider="self_hosted", default_ref="b")
    assert found.setting is not None
    assert (found.setting.default_ref, found.setting.allowed) == ("b", None)
    assert (found.setting.is_locked, found.offer.default) == (False, "b")
    assert found.offer.selectable == {"a", "b", "c"}


def test_several_features_are_set_alike_and_once(lab: Lab) -> None:
    found = lab.set(CHAT, CODE, CHAT, default_ref="a", allowed=("a",))
    assert [each.name for each in found] == [CHAT, CODE]
    assert {each.offer.selectable for each in found} == {frozenset({"a"})}
    assert lab.told("feature_setting") == [{"features": [CHAT, CODE], "change": "changed"}]


def test_a_wrong_feature_among_several_leaves_all_as_they_were(lab: Lab) -> None:
    with pytest.raises(FeatureUnknownError, match="the nearest is code_completions"):
        lab.set(CHAT, "code_completion", default_ref="a")
    lab.model("small", family="codegemma")
    with pytest.raises(InvalidFieldsError, match="families that do"):
        lab.set(CODE, CHAT, default_ref="small")
    assert lab.feature(CODE).setting is None
    assert not lab.entries("feature_setting_changed")
    assert not lab.told("feature_setting")


def test_the_audit_has_what_was_and_what_is(lab: Lab) -> None:
    lab.set(default_ref="a", allowed=("b", "a"))
    lab.set(provider="disabled")
    lab.reset()
    first = {
        "provider": "self_hosted",
        "default_model": "a",
        "allowed_models": ["a", "b"],
        "locked": False,
    }
    second = {
        "provider": "disabled",
        "default_model": None,
        "allowed_models": None,
        "locked": False,
    }
    assert lab.entries("feature_setting_changed", "feature_setting_reset") == [
        {"before": None, "after": first},
        {"before": first, "after": second},
        {"before": second, "after": None},
    ]
    assert lab.told("feature_setting")[-1] == {"features": [CHAT], "change": "reset"}


def test_what_is_as_wished_is_left_alone(lab: Lab) -> None:
    for _ in range(2):
        lab.set(default_ref="a", allowed=("a", "b"))
        lab.set(CODE, default_ref="a", allowed=("b", "a"))
    lab.reset(CODE)
    lab.reset(CODE)
    assert len(lab.entries("feature_setting_changed")) == 2
    assert len(lab.entries("feature_setting_reset")) == 1
    assert len(lab.told("feature_setting")) == 3


def test_what_is_allowed_already_may_stay_while_it_is_disabled(lab: Lab) -> None:
    late = lab.model("late")
    lab.set(default_ref="a", allowed=("a", "late"))
    lab.change_model(late, is_enabled=False)
    [found] = lab.set(default_ref="b", allowed=("b", "late"))
    assert found.offer.selectable == {"b"}
    with pytest.raises(InvalidFieldsError, match="late cannot be used"):
        lab.set(CODE, default_ref="b", allowed=("b", "late"))
    lab.set(CODE, default_ref="a")
    lab.change_model(late, is_enabled=True)
    assert lab.feature().offer.selectable == {"b", "late"}


def test_a_default_that_cannot_be_used_is_shown_and_nothing_takes_its_place(lab: Lab) -> None:
    late = lab.model("late")
    lab.set(default_ref="late")
    lab.change_model(late, is_enabled=False)
    found = lab.feature()
    assert (found.default, found.offer.default) == (None, None)
    assert found.problem == (
        "late is assigned, but not used. It is disabled. Assign another model."
    )


@pytest.mark.parametrize(
    ("wish", "field", "sentence"),
    [
        ({}, "default_model", "is required"),
        ({"default_ref": "aa1"}, "default_model", "there is no model 'aa1'"),
        ({"default_ref": "A"}, "default_model", "the nearest is a"),
        ({"provider": "vendored", "default_ref": "a"}, "provider", "vendored needs a model that"),
        ({"provider": "self_hosted", "default_ref": "cloud"}, "provider", "cloud is a model that"),
        ({"provider": "disabled", "default_ref": "a"}, "default_model", "must be left out"),
        ({"provider": "unassigned", "default_ref": "a"}, "default_model", "must be left out"),
        ({"provider": "disabled", "allowed": ("a",)}, "allowed_models", "must be left out"),
        ({"provider": "disabled", "is_locked": True}, "locked", "says nothing"),
        ({"default_ref": "a", "allowed": ()}, "allowed_models", "names no model"),
        ({"default_ref": "a", "allowed": ("a", "b", "b")}, "allowed_models", "more than once"),
        ({"default_ref": "a", "allowed": ("b",)}, "allowed_models", "in it"),
        ({"default_ref": "a", "allowed": ("a", "zz")}, "allowed_models", "there is no model 'zz'"),
        ({"default_ref": "elsewhere"}, "default_model", "offers it for code_completions"),
        ({"default_ref": "nowhere"}, "default_model", "offers it for no feature"),
        ({"default_ref": "unserved"}, "default_model", "not served here"),
        ({"default_ref": "retired"}, "default_model", "no longer offers it"),
    ],
)
def test_what_cannot_be_set_says_why(
    lab: Lab, wish: dict[str, Any], field: str, sentence: str
) -> None:
    lab.offer("cloud", CHAT)
    lab.offer("elsewhere", CODE)
    lab.offer("nowhere")
    lab.offer("unserved", CHAT, is_served=False)
    lab.offer("retired", CHAT, retired_at=NOW)
    with pytest.raises(InvalidFieldsError) as refused:
        lab.set(**wish)
    assert sentence in refused.value.fields[field]
    assert lab.feature().setting is None


def test_nobody_sets_no_feature(lab: Lab) -> None:
    with pytest.raises(InvalidFieldsError, match="feature: is required"):
        lab.do(usecases.reset_features, (), catalog=lab.catalog, actor=SYSTEM, now=NOW)


def test_unassigned_leaves_groups_their_choice(lab: Lab) -> None:
    lab.offer("cloud", CHAT, default_for=[CHAT])
    [found] = lab.set(provider="unassigned")
    assert (found.default, found.provider, found.problem) == (None, "unassigned", None)
    assert "a" in found.offer.selectable


def test_a_model_is_assigned_wherever_it_suits_and_nothing_was_said(lab: Lab) -> None:
    lab.set(CHAT, default_ref="b")
    lab.model("coder", family="codegemma")
    free = lab.do(usecases.assign_everywhere, "coder", catalog=lab.catalog, actor=SYSTEM, now=NOW)
    assert set(free) == {"code_completions", "code_generations"}
    assert lab.feature(CODE).offer.default == "coder"
    again = lab.do(usecases.assign_everywhere, "coder", catalog=lab.catalog, actor=SYSTEM, now=NOW)
    assert not again
    with pytest.raises(NotFoundError):
        lab.do(usecases.assign_everywhere, "zz", catalog=lab.catalog, actor=SYSTEM, now=NOW)


def test_of_two_admins_at_once_one_is_last_and_nothing_is_mixed(lab: Lab) -> None:
    wishes = [("a", ("a", "b")), ("c", ("c",))] * 6

    def work(wish: tuple[str, tuple[str, ...]]) -> None:
        lab.set(CHAT, CODE, default_ref=wish[0], allowed=wish[1])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, wishes))
    settings = [lab.feature(name).setting for name in (CHAT, CODE)]
    said = {(each.default_ref, each.allowed) for each in settings if each is not None}
    assert len(said) == 1
    assert said <= {(ref, frozenset(allowed)) for ref, allowed in wishes}
    entries = lab.entries("feature_setting_changed")
    chat = entries[::2]
    assert [each["before"] for each in chat[1:]] == [each["after"] for each in chat[:-1]]
