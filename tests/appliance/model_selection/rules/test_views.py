import pytest

from appliance.model_selection.rules import ChoiceView, Pool
from appliance.model_selection.rules.views import choice_view, feature_view
from gateway.contract.catalog import load_catalog
from gateway.contract.selection import Choice, Feature
from tests.appliance.model_selection.rules.builders import (
    CHAT,
    a_place,
    a_pool,
    a_selectable_model,
    a_setting,
    an_offered_model,
)

OFFER = Feature(name=CHAT, default="a", selectable=frozenset("ab"))
DISABLED = a_selectable_model("c", why_unusable="It is disabled.")
POOL = a_pool("a", "b", DISABLED)


def test_without_a_setting_the_gateways_default_is_shown() -> None:
    pool = a_pool("z", an_offered_model(default_for=frozenset({CHAT})))
    view = feature_view(CHAT, None, pool=pool, catalog=load_catalog())
    assert (view.provider, view.default, view.problem) == ("vendored", pool.models["cloud"], None)
    assert [each.ref for each in view.models] == ["cloud", "z"]
    bare = feature_view(CHAT, None, pool=a_pool(), catalog=load_catalog())
    assert (bare.provider, bare.default, bare.models) == ("unassigned", None, ())


@pytest.mark.parametrize(
    ("ref", "why"),
    [
        ("a", None),
        ("c", "c is assigned, but not used. It is disabled. Assign another model."),
        ("gone", "There is no such model any more."),
        ("elsewhere", "It does not suit the feature any more."),
        (None, None),
    ],
)
def test_a_setting_that_fits_no_more_says_why(ref: str | None, why: str | None) -> None:
    pool = a_pool("a", DISABLED, a_selectable_model("elsewhere", features=frozenset()))
    setting = a_setting(default_ref=ref, provider="self_hosted" if ref else "unassigned")
    view = feature_view(CHAT, setting, pool=pool, catalog=load_catalog())
    assert (view.problem is None) == (why is None)
    assert (why or "") in (view.problem or "")


def _view(
    said: dict[int, Choice],
    *,
    offer: Feature = OFFER,
    pool: Pool = POOL,
    may_switch: bool = True,
) -> ChoiceView:
    place = a_place("lab", "ai", offer=offer, said=said, may_switch=may_switch)
    return choice_view(CHAT, place, pool=pool, catalog=load_catalog())


def test_a_choice_that_counts_has_no_problem() -> None:
    view = _view({2: Choice(CHAT, "b")})
    assert (view.problem, view.model, view.provider) == (None, POOL.models["b"], "self_hosted")
    assert view.level is not None
    assert [each.ref for each in view.choosable] == ["a", "b"]


def test_without_a_choice_or_a_model_there_is_nothing_to_say() -> None:
    view = _view({}, offer=Feature(name=CHAT), pool=a_pool())
    assert (view.problem, view.model, view.provider) == (None, None, "unassigned")


@pytest.mark.parametrize(
    ("above", "own", "why"),
    [
        (Choice(CHAT, "a", is_locked=True), "b", "the model is locked by the group lab."),
        (Choice(CHAT, "a", narrowed_to=frozenset("a")), "b", "the group lab does not allow b."),
        (None, "c", "c cannot be used. It is disabled."),
        (None, "gone", "gone cannot be used. There is no such model any more."),
    ],
)
def test_a_choice_that_does_not_count_says_why(above: Choice | None, own: str, why: str) -> None:
    said = {2: Choice(CHAT, own)} | ({} if above is None else {1: above})
    assert _view(said).problem == f"It does not count: {why}"


def test_a_choice_for_a_disabled_feature_says_so() -> None:
    view = _view({2: Choice(CHAT, "b")}, offer=Feature(name=CHAT, is_disabled=True))
    assert (view.provider, view.is_disabled) == ("disabled", True)
    assert view.problem == "It does not count: the feature is disabled for the whole instance."


def test_a_choice_while_the_flag_is_off_says_so() -> None:
    view = _view({2: Choice(CHAT, "b")}, may_switch=False)
    assert view.problem == "It does not count: the feature flag ai_model_switching is off."
