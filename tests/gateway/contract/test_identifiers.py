import pytest

from gateway.contract.identifiers import served_identifier, written_identifier


@pytest.mark.parametrize(
    ("written", "served"),
    [
        ("custom_openai/mistral", "mistral"),
        ("openai/mistral", "mistral"),
        ("custom_openai/openai/gpt-oss-120b", "openai/gpt-oss-120b"),
        ("Qwen/Qwen2.5-7B", "Qwen/Qwen2.5-7B"),
        ("mistral", "mistral"),
    ],
)
def test_a_way_of_talking_before_the_name_is_left_out_once(written: str, served: str) -> None:
    assert served_identifier(written) == served


@pytest.mark.parametrize("name", ["openai/gpt-oss-120b", "custom_openai/x", "Qwen/Qwen2.5", "x"])
def test_a_written_name_is_served_as_it_was(name: str) -> None:
    assert served_identifier(written_identifier(name)) == name
