from typing import Any

import pytest

from appliance.model_selection.rules.definitions import Offer, Reading, Unread, read_definitions
from gateway.contract.catalog import load_catalog
from tests.appliance.model_selection.rules.definitions.builders import (
    a_defined_feature,
    a_defined_model,
    a_document,
    a_list,
    a_listed_model,
)


def read(*features: Any) -> Reading:
    models = [a_defined_model("a"), a_defined_model("b")]
    return read_definitions(a_document(models, list(features)), load_catalog())


def read_list(*models: Any) -> Reading:
    return read_definitions(a_list(*models), load_catalog())


def offer(reading: Reading, ref: str) -> Offer:
    return next(each for each in reading.offers if each.ref == ref)


def codes(reading: Reading) -> list[str]:
    return [problem.code for problem in reading.problems]


def test_a_default_is_selectable_by_being_the_default() -> None:
    reading = read(a_defined_feature("duo_chat", "a", "b"))
    assert not reading.problems
    default, other = offer(reading, "a"), offer(reading, "b")
    assert default.features == default.default_for == other.features == {"duo_chat"}
    assert not other.default_for


def test_a_trial_stays_one_as_a_default_and_is_none_where_it_is_selectable() -> None:
    reading = read(
        a_defined_feature("duo_chat", "a", beta_models=["a"]),
        a_defined_feature("code_completions", None, "a", beta_models=["a"]),
    )
    found = offer(reading, "a")
    assert found.features == {"code_completions"}
    assert found.beta_for == found.default_for == {"duo_chat"}


def test_a_model_is_found_however_its_ref_is_written() -> None:
    assert offer(read(a_defined_feature("duo_chat", None, "A")), "a").features == {"duo_chat"}


def test_a_pseudo_default_is_none() -> None:
    reading = read(a_defined_feature("duo_chat", "__default__duo_chat", "a"))
    assert (reading.problems, reading.unread) == ((), Unread())
    assert not offer(reading, "a").default_for


def test_a_default_that_is_not_listed_takes_nothing_away() -> None:
    reading = read(a_defined_feature("duo_chat", "c", "a"))
    assert codes(reading) == ["default_unlisted"]
    assert reading.problems[0].entry == "unit_primitives[0].default_model"
    assert reading.unread == Unread(models=frozenset({"c"}), defaults=frozenset({"duo_chat"}))


def test_a_trial_that_is_not_listed_is_said() -> None:
    reading = read(a_defined_feature("duo_chat", None, beta_models=["zzz"]))
    assert codes(reading) == ["selectable_unlisted"]
    assert reading.problems[0].sentence == (
        "The model 'zzz' is selectable for duo_chat but not in models."
    )


@pytest.mark.parametrize(
    ("members", "unread"),
    [
        ({"selectable_models": 5}, Unread(features=frozenset({"duo_chat"}))),
        ({"selectable_models": {"a": 1}}, Unread(features=frozenset({"duo_chat"}))),
        ({"selectable_models": [5, "b"]}, Unread(features=frozenset({"duo_chat"}))),
        ({"beta_models": "a"}, Unread(features=frozenset({"duo_chat"}))),
        ({"default_model": 5}, Unread(defaults=frozenset({"duo_chat"}))),
        ({"default_model": ""}, Unread(defaults=frozenset({"duo_chat"}))),
    ],
)
def test_a_part_that_cannot_be_read_takes_nothing_away(
    members: dict[str, Any], unread: Unread
) -> None:
    entry = {"feature_setting": "duo_chat", "default_model": "a", **members}
    reading = read(entry, a_defined_feature("code_completions", "b"))
    assert (codes(reading), reading.unread) == (["entry_unusable"], unread)
    assert offer(reading, "b").default_for == {"code_completions"}


@pytest.mark.parametrize("entry", [5, {}, {"feature_setting": 7, "selectable_models": ["a"]}])
def test_an_entry_of_no_feature_might_be_any_other(entry: Any) -> None:
    reading = read(entry, a_defined_feature("duo_chat", "a"))
    assert codes(reading) == ["entry_unusable"]
    assert reading.unread.features == set(load_catalog().features) - {"duo_chat"}


def test_an_unknown_feature_is_said_with_the_nearest() -> None:
    reading = read(a_defined_feature("duo_chats", "a"), a_defined_feature("a" * 400, "zzz"))
    assert codes(reading) == ["feature_unknown", "feature_unknown"]
    assert reading.problems[0].sentence == (
        "There is no feature 'duo_chats'; the nearest is duo_chat."
    )
    assert len(reading.problems[1].sentence) < 150
    assert reading.unread == Unread()


def test_of_a_feature_that_is_there_twice_all_is_taken() -> None:
    reading = read(
        a_defined_feature("duo_chat", "a"),
        a_defined_feature("duo_chat", "b"),
        a_defined_feature("duo_chat", "c"),
    )
    assert codes(reading) == ["feature_duplicate", "feature_duplicate", "default_unlisted"]
    assert offer(reading, "a").default_for == {"duo_chat"}
    # The second default is not: the first one holds.
    assert offer(reading, "b").default_for == frozenset()
    assert reading.unread.defaults == frozenset()


def test_nearest_refs_are_looked_for_only_so_often() -> None:
    refs = [f"a{number}" for number in range(30)]
    reading = read(a_defined_feature("duo_chat", None, *refs, *refs))
    assert len([each for each in reading.problems if "nearest" in each.sentence]) <= 40
    assert len(reading.problems) == 60


def test_in_a_list_the_first_model_that_is_no_trial_is_the_default() -> None:
    reading = read_list(
        a_listed_model("a", "duo_chat", release_state="BETA"),
        a_listed_model("b", "duo_chat"),
        a_listed_model("c", "duo_chat", "completion"),
    )
    defaults = {each.ref: set(each.default_for) for each in reading.offers}
    assert defaults == {"a": set(), "b": {"duo_chat"}, "c": {"code_completions"}}


@pytest.mark.parametrize("features", [None, "duo_chat", ["duo_chat", 5]])
def test_features_of_a_list_that_cannot_be_read_take_nothing_away(features: Any) -> None:
    reading = read_list(a_listed_model("a/B", features=features))
    assert codes(reading) == ["entry_unusable"]
    assert reading.unread == Unread(features_of=frozenset({"a-b"}))


def test_an_unknown_feature_of_a_list_is_said_where_it_stands() -> None:
    reading = read_list(a_listed_model("a", "duo_chat", "poetry"))
    assert [(each.entry, each.code) for each in reading.problems] == [
        ("[0].features[1]", "feature_unknown")
    ]
    assert offer(reading, "a").features == {"duo_chat"}
