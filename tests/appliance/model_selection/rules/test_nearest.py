import pytest

from appliance.model_selection.rules.nearest import nearest

SEEDS = (
    "claude_sonnet_3_7_20250219",
    "claude_sonnet_3_7_20250219_vertex",
    "claude_3_5_sonnet_20240620",
)


@pytest.mark.parametrize(
    ("ref", "known", "meant"),
    [
        ("claude-3-7-sonnet-20250219", SEEDS, "claude_sonnet_3_7_20250219"),
        ("tinny", ("tiny", "big"), "tiny"),
        ("smolm2-135m", ("smollm2-135m-instruct", "qwen"), "smollm2-135m-instruct"),
        ("duo_chats", ("duo_chat", "code_completions"), "duo_chat"),
        ("zzz", SEEDS, None),
        ("", SEEDS, None),
        ("tiny", (), None),
    ],
)
def test_the_most_alike_is_proposed_if_it_is_alike(
    ref: str, known: tuple[str, ...], meant: str | None
) -> None:
    assert nearest(ref, known) == meant


def test_the_order_of_what_is_known_makes_no_difference() -> None:
    assert nearest("claude-3-7", SEEDS) == nearest("claude-3-7", tuple(reversed(SEEDS)))


def test_the_right_one_is_found_among_many() -> None:
    known = [f"model-{number}-large" for number in range(3000)]
    assert nearest("large-model-777", known) == "model-777-large"
