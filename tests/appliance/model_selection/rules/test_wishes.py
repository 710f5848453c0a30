import pytest

from appliance.errors import InvalidFieldsError
from appliance.model_selection.errors import FeatureUnknownError
from appliance.model_selection.rules import FeatureChange, FeatureSetting
from appliance.model_selection.rules.wishes import (
    MAX_LISTED,
    MAX_SENTENCES,
    check_features,
    is_same,
    joined,
    problem_of_list,
    problem_of_model,
    problems_of_models,
    settings_of,
    shown,
)
from gateway.contract.catalog import load_catalog
from tests.appliance.model_selection.rules.builders import (
    CHAT,
    a_selectable_model,
    a_setting,
    an_offered_model,
    some_knowledge,
)
from tests.instance_builders import NOW


def _settings(change: FeatureChange, *refs: str, **stored: FeatureSetting) -> list[FeatureSetting]:
    known = some_knowledge(*refs, an_offered_model())
    return list(settings_of(change, known, stored=stored, now=NOW))


def _refused(change: FeatureChange, *refs: str) -> dict[str, str]:
    with pytest.raises(InvalidFieldsError) as refused:
        _settings(change, *refs)
    return refused.value.fields


def test_features_are_named_once() -> None:
    assert check_features(["duo_chat", "code_completions", "duo_chat"], load_catalog()) == (
        "duo_chat",
        "code_completions",
    )


@pytest.mark.parametrize(("name", "hint"), [("duo_chats", "the nearest is duo_chat"), ("x", "'x'")])
def test_an_unknown_feature_is_named(name: str, hint: str) -> None:
    with pytest.raises(FeatureUnknownError, match=hint):
        check_features([name], load_catalog())


@pytest.mark.parametrize(
    ("change", "provider"),
    [
        (FeatureChange(features=(CHAT,), default_ref="a"), "self_hosted"),
        (FeatureChange(features=(CHAT,), default_ref="cloud"), "vendored"),
        (FeatureChange(features=(CHAT,), default_ref="cloud", provider="vendored"), "vendored"),
        (FeatureChange(features=(CHAT,), provider="disabled"), "disabled"),
        (FeatureChange(features=(CHAT,), provider="unassigned", is_locked=True), "unassigned"),
    ],
)
def test_the_provider_follows_the_default(change: FeatureChange, provider: str) -> None:
    [setting] = _settings(change, "a")
    assert (setting.provider, setting.default_ref) == (provider, change.default_ref)


def test_a_provider_that_is_not_the_defaults_is_refused() -> None:
    change = FeatureChange(features=(CHAT,), default_ref="a", provider="vendored")
    assert _refused(change, "a") == {
        "provider": "vendored needs a model that the gateway brings, "
        "and a is a model that is registered here"
    }


def test_a_default_that_there_is_not_is_one_problem() -> None:
    change = FeatureChange(features=(CHAT,), default_ref="zz", provider="vendored")
    assert _refused(change) == {"default_model": "there is no model 'zz'"}


def test_a_sentence_that_holds_for_several_features_is_said_once() -> None:
    change = FeatureChange(features=(CHAT, "code_completions"), default_ref="zz")
    assert _refused(change) == {"default_model": "there is no model 'zz'"}


def test_only_what_was_allowed_may_stay_unusable() -> None:
    known = some_knowledge("a", a_selectable_model("b", why_unusable="It is disabled."))
    change = FeatureChange(features=(CHAT,), default_ref="a", allowed=("a", "b"))
    with pytest.raises(InvalidFieldsError, match="b cannot be used: It is disabled"):
        settings_of(change, known, stored={CHAT: a_setting()}, now=NOW)
    before = {CHAT: a_setting(allowed=frozenset({"a", "b"}))}
    [setting] = settings_of(change, known, stored=before, now=NOW)
    assert setting.allowed == frozenset("ab")


@pytest.mark.parametrize(
    ("changes", "same"), [({}, True), ({"is_locked": True}, False), ({"allowed": None}, True)]
)
def test_a_setting_is_the_same_whenever_it_was_said(changes: dict[str, bool], same: bool) -> None:
    assert is_same(a_setting(**changes), a_setting(updated_at=NOW.replace(year=2020))) is same
    assert not is_same(a_setting(), None)


def test_a_selectable_model_that_is_not_listed_is_told_apart_from_none() -> None:
    known = some_knowledge(
        an_offered_model("claude_sonnet_3_7_20250219"),
        unlisted={"claude-3-7-sonnet-20250219": ("duo_chat", "code_completions")},
    )
    assert problem_of_model("claude-3-7-sonnet-20250219", CHAT, known) == (
        "'claude-3-7-sonnet-20250219' is selectable for code_completions, duo_chat in the "
        "gateway's definitions, but not in their models; the nearest is claude_sonnet_3_7_20250219"
    )


def test_a_model_that_suits_and_can_be_used_is_fine() -> None:
    known = some_knowledge("a", a_selectable_model("b", features=frozenset()))
    assert problem_of_model("a", CHAT, known) is None
    problem = problem_of_model("b", CHAT, known)
    assert problem is not None
    assert problem.startswith("b is of the family general, which does not suit duo_chat; families")


def test_a_list_without_sense_is_refused_whatever_it_names() -> None:
    assert problem_of_list(None, chosen="a") is None
    assert problem_of_list(["b", "a"], chosen="a") is None
    assert problem_of_list(["a", "b_c", "B-C"], chosen="a") == "names 'b_c' more than once"


def test_sentences_stay_readable() -> None:
    assert joined(["x", "y", "x"]) == "x; y"
    assert joined(str(each) for each in range(100)).count(";") == MAX_SENTENCES - 1
    assert len(shown("x" * 9999)) < 300


def test_no_more_sentences_are_made_than_are_said() -> None:
    left = iter([*"abcd"])
    assert joined(left) == "a; b; c"
    assert list(left) == ["d"]


def test_a_list_nobody_can_read_is_refused() -> None:
    refs = ["a", *(f"m{each}" for each in range(MAX_LISTED))]
    assert problem_of_list(refs, chosen="a") == "names more than 1000 models"
    assert problem_of_list(refs[:MAX_LISTED], chosen="a") is None


def test_an_unknown_model_is_said_once_whatever_the_features() -> None:
    features = tuple(load_catalog().features)
    assert list(problems_of_models(["zz"], features, some_knowledge())) == [
        "there is no model 'zz'"
    ]
