from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest

from appliance.errors import InvalidFieldsError, NotFoundError
from appliance.model_selection.errors import (
    FeatureDisabledError,
    FeatureUnknownError,
    LockedAboveError,
    ModelSwitchingOffError,
)
from appliance.namespaces.errors import AccessLevelNeededError
from appliance.namespaces.rules import AccessLevel, Namespace
from gateway.contract.selection import SWITCHING_FLAG
from tests.appliance.model_selection.conftest import CHAT, CODE, Lab


@pytest.fixture
def top(lab: Lab) -> Namespace:
    """A root group, where the instance allows a, b and c and uses a."""
    lab.set(CHAT, CODE, default_ref="a")
    return lab.group("lab")


@pytest.fixture
def child(lab: Lab, top: Namespace) -> Namespace:
    return lab.group("ai", parent=top)


def test_without_a_choice_a_group_inherits(lab: Lab, child: Namespace) -> None:
    found = lab.view(child)
    assert (found.choice, found.level, found.problem) == (None, None, None)
    assert found.model is not None
    assert (found.model.ref, found.provider) == ("a", "self_hosted")
    assert [each.ref for each in found.choosable] == ["a", "b", "c"]
    assert found.may_change_by == "owners of lab/ai"


def test_the_nearest_choice_holds(lab: Lab, top: Namespace, child: Namespace) -> None:
    lab.choose(top, "b", CHAT, CODE)
    [mine] = lab.choose(child, "c")
    assert (mine.here.model, mine.level) == ("c", child)
    assert lab.view(child, CODE).level == top
    lab.inherit(child)
    assert (lab.view(child).here.model, lab.view(child).choice) == ("b", None)
    names = list(lab.views(child))
    assert names == list(lab.catalog.features)


def test_a_group_narrows_what_those_below_choose_from(
    lab: Lab, top: Namespace, child: Namespace
) -> None:
    lab.choose(top, "b", narrowed_to=("b", "c"))
    assert [each.ref for each in lab.view(child).choosable] == ["b", "c"]
    assert [each.ref for each in lab.view(top).choosable] == ["a", "b", "c"]
    with pytest.raises(InvalidFieldsError) as refused:
        lab.choose(child, "a", CHAT, CODE)
    assert refused.value.fields == {
        "model": "a is not among what the group lab allows for duo_chat; "
        "there is to choose from: b, c"
    }
    assert lab.view(child, CODE).choice is None
    with pytest.raises(InvalidFieldsError, match="allowed_models: a is not among what the group"):
        lab.choose(child, "b", narrowed_to=("a", "b"))


def test_a_lock_leaves_those_below_no_choice(lab: Lab, child: Namespace) -> None:
    leaf = lab.group("leaf", parent=child)
    lab.choose(child, "b", is_locked=True)
    with pytest.raises(LockedAboveError, match="locked by the group lab/ai"):
        lab.choose(leaf, "b")
    assert lab.view(leaf).may_change_by == "owners of lab/ai"
    assert lab.view(child).may_change_by == "owners of lab/ai"
    lab.choose(child, "b")
    lab.set(default_ref="a", is_locked=True)
    with pytest.raises(LockedAboveError, match="locked by the instance"):
        lab.choose(leaf, "b")
    found = lab.view(child)
    assert (found.here.model, found.may_change_by) == ("a", "instance admin")
    assert found.problem == "It does not count: the model is locked by the instance."


def test_a_choice_that_lost_its_place_says_why(lab: Lab, top: Namespace, child: Namespace) -> None:
    late = lab.model("late")
    lab.choose(child, "late", CHAT)
    lab.choose(child, "c", CODE)
    lab.choose(top, "b", CODE, narrowed_to=("b",))
    assert lab.view(child, CODE).problem == "It does not count: the group lab does not allow c."
    lab.set(default_ref="a", allowed=("a",))
    assert lab.view(child).problem == "It does not count: the instance does not allow late."
    lab.reset()
    lab.change_model(late, is_enabled=False)
    assert lab.view(child).problem == "It does not count: late cannot be used. It is disabled."
    lab.set(provider="disabled")
    found = lab.view(child)
    assert (found.is_disabled, found.provider, found.model) == (True, "disabled", None)
    assert found.problem is not None
    assert "disabled for the whole instance" in found.problem
    assert found.may_change_by == "instance admin"
    with pytest.raises(FeatureDisabledError):
        lab.choose(child, "a")


@pytest.mark.parametrize(
    ("model", "wish", "field", "sentence"),
    [
        ("", {}, "model", "reset the choice"),
        ("zz", {}, "model", "there is no model 'zz'"),
        ("unserved", {}, "model", "not served here"),
        ("coder", {}, "model", "families that do: mistral"),
        ("b", {"narrowed_to": ()}, "allowed_models", "names no model"),
        ("b", {"narrowed_to": ("b", "B")}, "allowed_models", "more than once"),
        ("b", {"narrowed_to": ("c",)}, "allowed_models", "in it"),
        ("b", {"narrowed_to": ("b", "zz")}, "allowed_models", "there is no model 'zz'"),
    ],
)
def test_what_cannot_be_chosen_says_why(
    lab: Lab, top: Namespace, model: str, wish: dict[str, Any], field: str, sentence: str
) -> None:
    lab.offer("unserved", CHAT, is_served=False)
    lab.model("coder", family="codegemma")
    with pytest.raises(InvalidFieldsError) as refused:
        lab.choose(top, model, **wish)
    assert sentence in refused.value.fields[field]


def test_a_wrong_feature_among_several_leaves_all_as_they_were(lab: Lab, top: Namespace) -> None:
    with pytest.raises(FeatureUnknownError):
        lab.choose(top, "b", CHAT, "chat")
    with pytest.raises(FeatureUnknownError):
        lab.inherit(top, "chat")
    assert lab.view(top).choice is None


def test_what_is_as_wished_is_left_alone(lab: Lab, top: Namespace) -> None:
    lab.inherit(top)
    for _ in range(2):
        lab.choose(top, "b", narrowed_to=("b", "c"))
    lab.choose(top, "b", CHAT, CODE, narrowed_to=("c", "b"))
    assert len(lab.entries("model_choice_changed")) == 2
    assert not lab.entries("model_choice_reset")
    told = [{"namespace_id": top.id, "features": [each]} for each in (CHAT, CODE)]
    assert lab.told("group_choice") == told


def test_the_audit_has_what_was_and_what_is(lab: Lab, top: Namespace) -> None:
    lab.choose(top, "b", narrowed_to=("c", "b"))
    lab.choose(top, "c", is_locked=True)
    lab.inherit(top)
    first = {"model": "b", "allowed_models": ["b", "c"], "locked": False}
    second = {"model": "c", "allowed_models": None, "locked": True}
    assert lab.entries("model_choice_changed", "model_choice_reset") == [
        {"feature": CHAT, "before": None, "after": first},
        {"feature": CHAT, "before": first, "after": second},
        {"feature": CHAT, "before": second, "after": None},
    ]


def test_with_the_flag_off_the_instance_decides(lab: Lab, top: Namespace) -> None:
    lab.choose(top, "b")
    lab.switch(SWITCHING_FLAG, value=False)
    found = lab.view(top)
    assert (found.here.model, found.level, found.may_change_by) == ("a", None, "instance admin")
    assert found.problem == "It does not count: the feature flag ai_model_switching is off."
    with pytest.raises(ModelSwitchingOffError, match="instance admin can switch it on"):
        lab.choose(top, "c")
    with pytest.raises(ModelSwitchingOffError):
        lab.inherit(top)
    lab.switch(SWITCHING_FLAG, value=True)
    assert lab.view(top).here.model == "b"


Allowed = type[Exception] | None
# Who, with which role where, may read and may change the choices of the group lab/ai.
PERMISSIONS: list[Any] = [
    pytest.param("lab", AccessLevel.OWNER, None, None, id="owner above"),
    pytest.param("ai", AccessLevel.OWNER, None, None, id="owner"),
    pytest.param("ai", AccessLevel.MAINTAINER, None, AccessLevelNeededError, id="maintainer"),
    pytest.param(
        "lab", AccessLevel.MAINTAINER, None, AccessLevelNeededError, id="maintainer above"
    ),
    pytest.param("ai", AccessLevel.GUEST, None, AccessLevelNeededError, id="guest"),
    pytest.param("leaf", AccessLevel.OWNER, NotFoundError, NotFoundError, id="owner below"),
    pytest.param("other", AccessLevel.OWNER, NotFoundError, NotFoundError, id="owner beside"),
    pytest.param(None, AccessLevel.OWNER, NotFoundError, NotFoundError, id="outsider"),
]


@pytest.mark.parametrize("visibility", ["private", "public"])
@pytest.mark.parametrize(("where", "level", "reads", "writes"), PERMISSIONS)
def test_members_read_and_owners_choose(
    lab: Lab,
    visibility: Any,
    where: str | None,
    level: AccessLevel,
    reads: Allowed,
    writes: Allowed,
) -> None:
    top = lab.group("lab", visibility=visibility)
    child = lab.group("ai", parent=top, visibility=visibility)
    groups = {
        "lab": top,
        "ai": child,
        "leaf": lab.group("leaf", parent=child),
        "other": lab.group("other"),
    }
    user = lab.user("u") if where is None else lab.member(groups[where], "u", level)
    _tried(lambda: lab.views(child, by=user), reads)
    _tried(lambda: lab.choose(child, "b", by=user), writes)
    _tried(lambda: lab.inherit(child, by=user), writes)


def _tried(work: Callable[[], object], refused: Allowed) -> None:
    if refused is None:
        work()
        return
    with pytest.raises(refused) as why:
        work()
    if refused is NotFoundError:
        assert str(why.value) == "404 Group Not Found"


def test_no_group_is_refused_like_one_that_is_hidden(lab: Lab) -> None:
    nowhere = replace(lab.group("lab"), id=1000)
    with pytest.raises(NotFoundError, match="404 Group Not Found"):
        lab.views(nowhere, by=lab.user("u"))


def test_of_two_owners_at_once_one_is_last_and_nothing_is_mixed(lab: Lab, top: Namespace) -> None:
    wishes = [("b", ("b", "c")), ("a", ("a",))] * 6

    def work(wish: tuple[str, tuple[str, ...]]) -> None:
        lab.choose(top, wish[0], narrowed_to=wish[1])

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, wishes))
    choice = lab.view(top).choice
    assert choice is not None
    assert (choice.model, choice.narrowed_to) in {(ref, frozenset(refs)) for ref, refs in wishes}
    entries = lab.entries("model_choice_changed")
    assert [each["before"] for each in entries[1:]] == [each["after"] for each in entries[:-1]]
