import pytest

from appliance.model_selection.rules.definitions import features_named
from appliance.model_selection.rules.definitions.feature_names import LOOSE_NAMES
from gateway.contract.catalog import load_catalog

BOTH_OF_CODE = ("code_completions", "code_generations")


@pytest.mark.parametrize(
    ("name", "features"),
    [
        ("duo_chat", ("duo_chat",)),
        ("completion", ("code_completions",)),
        ("generation", ("code_generations",)),
        ("summarize_mr_review", ("summarize_review",)),
        ("CODE_SUGGESTION", BOTH_OF_CODE),
        ("code-completions", ("code_completions",)),
        (" Review Merge Request ", ("review_merge_request",)),
        ("explain_code", ("duo_chat_explain_code",)),
        ("generate_description", ()),
        ("", ()),
    ],
)
def test_a_feature_is_known_by_its_names(name: str, features: tuple[str, ...]) -> None:
    assert features_named(name, load_catalog()) == features


def test_loose_names_are_of_features_that_there_are() -> None:
    known = load_catalog().features
    assert {each for features in LOOSE_NAMES.values() for each in features} <= set(known)
    assert not LOOSE_NAMES.keys() & known.keys()
