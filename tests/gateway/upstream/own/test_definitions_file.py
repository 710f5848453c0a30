import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.contract.catalog import load_catalog
from gateway.contract.definitions import MAX_MODELS
from gateway.contract.selection import ref_key
from gateway.upstream.own.definitions_file import Defined, read_definitions
from tests.fakes.own_files import SEED, AdminsFiles, a_feature, a_model

CATALOG = load_catalog()


def read(
    folder: Path, *models: dict[str, Any], features: list[dict[str, Any]] | None = None
) -> Defined:
    files = AdminsFiles(folder)
    files.define(*models, features=features)
    return read_definitions(files.definitions, CATALOG)


def test_the_shipped_definitions_hold_together() -> None:
    shipped = read_definitions(None, CATALOG)
    assert shipped.problems == []
    assert len(shipped.models) > 10
    assert {each.feature_setting for each in shipped.features} == CATALOG.features.keys()
    assert all(each.default_model in each.selectable_models for each in shipped.features)


def test_what_is_not_said_of_a_model_is_its_familys(tmp_path: Path) -> None:
    told = a_model("said", family="qwen", release_state="GA", context_tokens=5, provider="amazonq")
    silent, said, bare = read(
        tmp_path, a_model("silent", family="qwen"), told, {"identifier": "bare", "name": "Bare"}
    ).models
    assert (silent.provider, silent.release_state, silent.context_tokens) == ("duo", "BETA", 262144)
    assert (said.provider, said.release_state, said.context_tokens) == ("amazonq", "GA", 5)
    assert (bare.family, bare.release_state, bare.context_tokens) == (None, "GA", None)


def test_without_a_list_every_model_that_suits_is_selectable(tmp_path: Path) -> None:
    models = (
        a_model("chat"),
        a_model("trial"),
        a_model("fill", family="codegemma"),
        {"identifier": "bare", "name": "Bare"},
    )
    features = [a_feature(beta_models=["trial"]), a_feature("code_completions")]
    chat, code = read(tmp_path, *models, features=features).features
    assert (chat.selectable_models, chat.beta_models) == (("chat",), ("trial",))
    assert code.selectable_models == ("chat", "trial", "fill")
    assert chat.unit_primitives == CATALOG.features["duo_chat"].unit_primitives


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"identifier": "-x"}, "identifier: must be"),
        ({"identifier": "Default"}, "identifier: means something else"),
        ({"identifier": "definitions"}, "identifier: means something else"),
        ({"name": " "}, "name: must be"),
        ({"name": 5}, "name: Expected `str`"),
        ({"description": "a\nb"}, "description: must be"),
        ({"cost_indicator": "$" * 33}, "cost_indicator: must be"),
        ({"family": "gpt5"}, "family: there is no 'gpt5'"),
        ({"provider": "Anthropic"}, "provider: there is no 'Anthropic'"),
        ({"release_state": "SOON"}, "release_state: Invalid enum value"),
        ({"context_tokens": 0}, "context_tokens: Expected `int` >= 1"),
        ({"served": True}, "there is no 'served'"),
    ],
)
def test_a_model_that_cannot_be_is_reported(
    tmp_path: Path, members: dict[str, Any], problem: str
) -> None:
    defined = read(tmp_path, a_model("good"), {**a_model(), **members})
    (said,) = defined.problems
    assert problem in said
    assert said.startswith(f"model {members.get('identifier', 'big')!r}: ")
    assert [each.identifier for each in defined.models] == ["good"]


def test_two_identifiers_that_a_person_reads_as_one_are_reported(tmp_path: Path) -> None:
    defined = read(tmp_path, a_model("a-b"), a_model("A_b"), a_model("a/B"))
    assert defined.problems == [
        "model 'A_b': is there already, as 'a-b'",
        "model 'a/B': is there already, as 'a-b'",
    ]


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"feature_setting": "code_suggestion"}, "there is no such feature; there are"),
        ({"selectable_models": ["x"]}, "selectable_models: 'x' is not one of the models"),
        ({"selectable_models": ["BIG"]}, "is not one of the models; 'big' is"),
        ({"selectable_models": ["big", "big"]}, "selectable_models: 'big' is named twice"),
        ({"beta_models": ["x"]}, "beta_models: 'x' is not one of the models"),
        (
            {"selectable_models": ["big"], "beta_models": ["big"]},
            "beta_models: 'big' is in selectable_models as well",
        ),
        ({"selectable_models": ["fill"]}, "'fill' does not suit it: its family is codegemma"),
        ({"default_model": "x"}, "default_model: 'x' is not selectable"),
        ({"default_model": "fill"}, "default_model: 'fill' is not selectable"),
        ({"default_model": "big", "selectable_models": []}, "'big' is not selectable"),
        ({"unit_primitives": ["fix_code"]}, "unit_primitives: 'fix_code' is not one of this"),
    ],
)
def test_a_feature_that_contradicts_itself_is_reported(
    tmp_path: Path, members: dict[str, Any], problem: str
) -> None:
    models = (a_model(), a_model("fill", family="codegemma"))
    defined = read(tmp_path, *models, features=[{**a_feature(), **members}])
    (said,) = defined.problems
    assert problem in said
    assert defined.features == ()


def test_a_feature_without_a_name_is_reported_by_its_number(tmp_path: Path) -> None:
    defined = read(tmp_path, features=[{}])
    assert defined.problems == ["unit primitives 1: feature_setting is missing"]


def test_a_feature_that_is_there_twice_is_reported(tmp_path: Path) -> None:
    defined = read(tmp_path, features=[a_feature(), a_feature()])
    assert defined.problems == ["feature 'duo_chat': is there already"]


def test_what_is_wrong_with_a_model_is_not_said_again_of_its_features(tmp_path: Path) -> None:
    features = [a_feature(default_model="big"), a_feature("fix", selectable_models=["big"])]
    features[1]["feature_setting"] = "duo_chat_fix_code"
    defined = read(tmp_path, a_model(family="x"), features=features)
    assert [each.partition(":")[0] for each in defined.problems] == ["model 'big'"]


def test_the_example_of_the_wire_is_refused_for_what_it_contradicts(tmp_path: Path) -> None:
    defined = read(tmp_path, *SEED["models"], features=SEED["unit_primitives"])
    first, second = (problem.removeprefix("feature 'duo_chat': ") for problem in defined.problems)
    unlisted = "'claude-3-7-sonnet-20250219' is not one of the models"
    assert first == f"selectable_models: {unlisted}"
    assert second == "default_model: 'claude_sonnet_3_7_20250219' is not selectable"


@pytest.mark.parametrize("text", ["", "not json", "[]", '{"models": 5}', '{"model": []}'])
def test_a_file_that_cannot_be_read_is_one_problem(tmp_path: Path, text: str) -> None:
    path = tmp_path / "definitions.json"
    path.write_text(text)
    defined = read_definitions(path, CATALOG)
    assert len(defined.problems) == 1
    assert defined.identifiers is None


def test_more_models_than_an_instance_takes_are_refused(tmp_path: Path) -> None:
    defined = read(tmp_path, *(a_model(f"model_{number}") for number in range(MAX_MODELS + 1)))
    assert defined.problems == ["names 10001 models; 10000 are the most"]


def test_ten_thousand_models_are_read_in_time(tmp_path: Path) -> None:
    models = [a_model(f"model_{number}", description="One of many") for number in range(10_000)]
    features = [a_feature(name) for name in CATALOG.features]
    AdminsFiles(tmp_path).define(*models, features=features)
    began = time.process_time()
    defined = read_definitions(tmp_path / "definitions.json", CATALOG)
    assert time.process_time() - began < 1
    assert (len(defined.models), defined.problems) == (10_000, [])


NAMES = st.sampled_from(["a", "A", "a-b", "a_b", "c", "default", "", "x" * 256])
MODELS = st.lists(
    st.fixed_dictionaries(
        {"identifier": NAMES | st.integers(), "name": st.sampled_from(["Name", ""])},
        optional={
            "family": st.sampled_from(["general", "codegemma", "none"]),
            "provider": st.sampled_from(["duo", "none"]),
            "context_tokens": st.integers(-1, 2),
            "other": st.none(),
        },
    )
    | st.none(),
    max_size=4,
)
FEATURES = st.lists(
    st.fixed_dictionaries(
        {"feature_setting": st.sampled_from(["duo_chat", "code_completions", "none"])},
        optional={
            "default_model": NAMES,
            "selectable_models": st.lists(NAMES, max_size=3),
            "beta_models": st.lists(NAMES, max_size=2),
        },
    ),
    max_size=3,
)


@settings(max_examples=300, deadline=None)
@given(models=MODELS, features=FEATURES)
def test_what_is_taken_holds_together_and_what_is_not_is_reported(
    tmp_path_factory: pytest.TempPathFactory,
    models: list[dict[str, Any] | None],
    features: list[dict[str, Any]],
) -> None:
    path = tmp_path_factory.getbasetemp() / "definitions.json"
    path.write_text(json.dumps({"models": models, "unit_primitives": features}))
    defined = read_definitions(path, CATALOG)
    refs = {each.identifier for each in defined.models}
    assert len({ref_key(ref) for ref in refs}) == len(defined.models)
    for feature in defined.features:
        offered = (*feature.selectable_models, *feature.beta_models)
        assert len(set(offered)) == len(offered)
        if not defined.problems:
            assert feature.default_model in {None, *feature.selectable_models}
            assert set(offered) <= refs
    missing = len(models) - len(defined.models) + len(features) - len(defined.features)
    assert len(defined.problems) >= missing
    assert bool(defined.problems) == bool(missing)
