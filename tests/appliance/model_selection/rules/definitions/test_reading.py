import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from appliance.model_selection.errors import DefinitionsRefusedError
from appliance.model_selection.rules.definitions import (
    MAX_DOCUMENT_BYTES,
    Offer,
    Reading,
    Unread,
    read_definitions,
)
from gateway.contract.catalog import load_catalog
from gateway.upstream.own.own_models import OwnFiles, read_files
from tests.appliance.model_selection.rules.definitions.builders import (
    SEED,
    a_defined_feature,
    a_defined_model,
    a_document,
    a_list,
    a_listed_model,
)


def read(document: bytes) -> Reading:
    return read_definitions(document, load_catalog())


def by_ref(reading: Reading) -> Mapping[str, Offer]:
    return {offer.ref: offer for offer in reading.offers}


def test_the_seed_s_document_has_exactly_its_contradictions() -> None:
    reading = read(SEED)
    found = [(each.entry, each.code, each.identifier, each.feature) for each in reading.problems]
    named, features = (
        "claude-3-7-sonnet-20250219",
        ("duo_chat", "code_generations", "code_completions"),
    )
    assert found == [
        (f"unit_primitives[{number}].selectable_models[0]", "selectable_unlisted", named, feature)
        for number, feature in enumerate(features)
    ]
    assert reading.problems[0].sentence == (
        "The model 'claude-3-7-sonnet-20250219' is selectable for duo_chat but not in models; "
        "the nearest is claude_sonnet_3_7_20250219."
    )


def test_the_seed_s_good_entries_all_hold() -> None:
    offers = by_ref(read(SEED))
    features = {"duo_chat", "code_generations", "code_completions"}
    default = offers["claude_sonnet_3_7_20250219"]
    assert default.default_for == default.features == features
    assert offers["claude_3_5_sonnet_20240620"].features == features
    vertex = offers["claude_sonnet_3_7_20250219_vertex"]
    assert (vertex.name, vertex.features) == ("Claude Sonnet 3.7 - Vertex", frozenset())


def test_a_list_of_models_says_their_states_and_features() -> None:
    reading = read(
        a_list(
            a_listed_model("claude_3_7_sonnet", "duo_chat", "completion"),
            a_listed_model("gemini_pro", "summarize_mr_review", release_state="BETA"),
            a_listed_model("late", "duo_chat", release_state="EXPERIMENTAL"),
        )
    )
    offers = by_ref(reading)
    assert not reading.problems
    assert offers["claude_3_7_sonnet"].features == {"duo_chat", "code_completions"}
    assert offers["claude_3_7_sonnet"].default_for == {"duo_chat", "code_completions"}
    gemini = offers["gemini_pro"]
    assert gemini.features == {"summarize_review"}
    assert (gemini.release_state, offers["late"].release_state) == ("BETA", "EXPERIMENT")
    # A trial is nobody's default unless somebody says so.
    assert not gemini.default_for


def test_what_our_own_gateway_ships_is_read_without_a_problem() -> None:
    files = OwnFiles(definitions=None, upstreams=None, networks=(), is_mounted=False)
    brought = read_files(files).brought
    assert brought is not None
    reading = read(brought.document)
    assert (reading.problems, reading.unread) == ((), Unread())
    assert reading.offers
    assert not any(offer.is_served for offer in reading.offers)
    assert all(offer.family and offer.context_tokens for offer in reading.offers)


@pytest.mark.parametrize(
    ("document", "code"),
    [
        (b"", "definitions_unreadable"),
        (b"<html>", "definitions_unreadable"),
        (b'"\xff"', "definitions_unreadable"),
        (b"[" * 200_000, "definitions_unreadable"),
        (b"{}", "definitions_shape_unknown"),
        (b'{"models": []}', "definitions_shape_unknown"),
        (b'{"models": {}, "unit_primitives": []}', "definitions_shape_unknown"),
        (b"null", "definitions_shape_unknown"),
        (b" " * (MAX_DOCUMENT_BYTES + 1), "definitions_too_large"),
        (b"[" + b"1," * 10_000 + b"1]", "definitions_too_many"),
        (b'{"unit_primitives": [], "models": [' + b"1," * 10_000 + b"1]}", "definitions_too_many"),
    ],
    # Their own texts would be as long as they are.
    ids=range(11),
)
def test_a_document_of_which_nothing_can_be_used_is_refused(document: bytes, code: str) -> None:
    with pytest.raises(DefinitionsRefusedError) as refusal:
        read(document)
    assert refusal.value.code == code
    assert str(refusal.value).endswith(".")


@pytest.mark.parametrize("document", [a_list(), a_document([], [])])
def test_a_gateway_may_bring_nothing(document: bytes) -> None:
    assert read(document) == Reading(offers=())


def test_ten_thousand_models_are_read() -> None:
    models = [{"id": f"m{number}", "name": "M", "features": ["chat"]} for number in range(10_000)]
    assert len(read(json.dumps(models).encode()).offers) == 10_000


def test_problems_end_somewhere_and_the_good_entries_do_not() -> None:
    reading = read(a_list(*[5] * 3_000, a_listed_model("good", "duo_chat")))
    assert [offer.ref for offer in reading.offers] == ["good"]
    assert len(reading.problems) == 1_001
    assert reading.problems[-1].sentence == "There are 2000 more problems like these."


FLOATS = st.floats(allow_nan=False, allow_infinity=False)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | FLOATS | st.text(max_size=20),
    lambda parts: (
        st.lists(parts, max_size=4) | st.dictionaries(st.text(max_size=8), parts, max_size=4)
    ),
    max_leaves=12,
)
NAMES = (
    "name identifier id family provider release_state context_tokens served features "
    "feature_setting default_model selectable_models beta_models"
)
MEMBERS = dict.fromkeys(NAMES.split(), ANYTHING)
ENTRY = ANYTHING | st.fixed_dictionaries({}, optional=MEMBERS)


@settings(max_examples=150)
@given(before=st.lists(ENTRY, max_size=4), after=st.lists(ENTRY, max_size=4), listed=st.booleans())
def test_no_entry_costs_another_its_place(
    before: list[Any], after: list[Any], listed: bool
) -> None:
    if listed:
        good = a_listed_model("the/good-1", "duo_chat")
        document = json.dumps([*before, good, *after])
    else:
        models = [*before, a_defined_model("the/good-1"), *after]
        features = [*after, a_defined_feature("duo_chat", None, "the/good-1"), *before]
        document = json.dumps({"models": models, "unit_primitives": features})
    reading = read(document.encode())
    assert "duo_chat" in by_ref(reading)["the/good-1"].features
    keys = [offer.ref.casefold() for offer in reading.offers]
    assert len(keys) == len(set(keys))


@settings(max_examples=100)
@given(content=ANYTHING | st.binary(max_size=60))
def test_nothing_but_a_refusal_comes_of_any_content(content: Any) -> None:
    document = content if isinstance(content, bytes) else json.dumps(content).encode()
    try:
        reading = read(document)
    except DefinitionsRefusedError:
        return
    assert all(problem.sentence.endswith(".") for problem in reading.problems)
