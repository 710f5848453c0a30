import pytest

from appliance.model_selection.rules.naming import MAX_CHARS, fresh_ref
from appliance.self_hosted_models.rules import REF


@pytest.mark.parametrize(
    ("name", "taken", "ref"),
    [
        ("Mistral 24B (lab)", [], "mistral-24b-lab"),
        ("gpt-oss_120b", [], "gpt-oss-120b"),
        ("Llama 3.1", ["llama-3.0"], "llama-3.1"),
        ("Tiny", ["TINY", "tiny-2"], "tiny-3"),
        ("a b", ["a/b", "A_B-2"], "a-b-3"),
        ("...", [], "model"),
        ("模型", [], "model"),
        ("Default", [], "default-2"),
    ],
)
def test_a_name_makes_a_ref_that_nothing_else_has(name: str, taken: list[str], ref: str) -> None:
    assert fresh_ref(name, taken) == ref


def test_a_long_name_makes_a_ref_that_can_be_used() -> None:
    long = "x" * (MAX_CHARS - 1) + " " + "y" * 100
    first = fresh_ref(long, [])
    for ref in (first, fresh_ref(long, [first])):
        assert REF.fullmatch(ref)
