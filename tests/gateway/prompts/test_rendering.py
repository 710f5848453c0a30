import pytest

from gateway.errors import InvalidInputsError, PromptTooLongError
from gateway.prompts.fencing import GUARD
from gateway.prompts.prompt import Prompt
from gateway.prompts.rendering import messages_tokens
from gateway.prompts.windows import answer_tokens
from tests.gateway.prompts.builders import SMALL, a_prompt

OPTIONAL = """
unit_primitive = "duo_chat"
max_tokens = 100
temperature = 0.5
stop = ["END"]
[inputs.wish]
is_trusted = true
[inputs.short]
type = "flag"
[inputs.notes]
type = "list"
fits = "cut_middle"
[[messages]]
role = "system"
[[messages.parts]]
text = "Summarise."
[[messages.parts]]
when = "short"
text = "Be short."
[[messages]]
role = "user"
[[messages.parts]]
when = "notes"
text = "Notes: {{notes}}"
[[messages.parts]]
when = "wish"
text = "Wish: {{wish}}"
[[messages.parts]]
unless = "wish"
text = "As always."
[[messages]]
role = "assistant"
[[messages.parts]]
when = "short"
text = "In short:"
"""


def contents(prompt: Prompt, inputs: dict[str, object], *, window_tokens: int = 8_000) -> list[str]:
    rendered = prompt.render(inputs, window_tokens=window_tokens)
    return [each["content"] for each in rendered.messages]


def test_what_is_given_stands_between_tags_and_the_system_says_what_that_means() -> None:
    rendered = a_prompt().render({"code": "a\nb"}, window_tokens=8_000)
    assert rendered.messages == [
        {"role": "system", "content": f"Explain.\n\n{GUARD}"},
        {"role": "user", "content": "The code: <given_code>\na\nb\n</given_code>"},
    ]
    assert rendered.parameters == {"max_tokens": 100, "temperature": 0.5}
    assert rendered.cuts == ()


def test_a_part_is_shown_only_with_what_it_is_about() -> None:
    prompt = a_prompt(OPTIONAL)
    assert contents(prompt, {}) == ["Summarise.", "As always."]
    assert contents(prompt, {"wish": "in verse", "short": True}) == [
        "Summarise.\n\nBe short.",
        "Wish: in verse",
        "In short:",
    ]
    assert contents(prompt, {"short": False, "notes": ["a"]})[1] == (
        "Notes: <given_notes>a</given_notes>\n\nAs always."
    )


def test_words_that_end_an_answer_go_along() -> None:
    assert a_prompt(OPTIONAL).render({}, window_tokens=8_000).parameters["stop"] == ["END"]


@pytest.mark.parametrize(
    "text",
    ["{{wish}}", "{{notes}}", "{wish}", "%(wish)s", "${wish}", "{% if x %}", "\\1", r"\g<0>"],
)
def test_what_is_given_is_never_read_as_a_template(text: str) -> None:
    shown = contents(a_prompt(OPTIONAL), {"notes": [text], "wish": text})[1]
    assert shown == f"Notes: <given_notes>{text}</given_notes>\n\nWish: {text}"


@pytest.mark.parametrize("window", [400, 1_000, 5_000])
def test_what_is_too_long_is_cut_until_it_fits(window: int) -> None:
    prompt = a_prompt(SMALL)
    rendered = prompt.render({"code": "some line of code\n" * 5_000}, window_tokens=window)
    answer = answer_tokens(100, window_tokens=window)
    assert 0.8 * (window - answer) < messages_tokens(rendered.messages) <= window - answer
    (cut,) = rendered.cuts
    assert (cut.input, cut.whole) == ("code", 90_000)
    assert f"{cut.whole - cut.kept:,} characters left out" in rendered.messages[1]["content"]


def test_a_prompt_that_cannot_be_cut_enough_is_too_long() -> None:
    with pytest.raises(PromptTooLongError) as caught:
        a_prompt().render({"code": "code\n" * 1_000}, window_tokens=150)
    assert (caught.value.code, caught.value.status) == ("prompt_too_long", 400)
    with pytest.raises(PromptTooLongError):
        a_prompt(SMALL.replace('"cut_end"', '"never"')).render(
            {"code": "code\n" * 1_000}, window_tokens=1_000
        )


def test_a_missing_input_is_refused_before_anything_is_asked() -> None:
    with pytest.raises(InvalidInputsError, match="'code'"):
        a_prompt().render({}, window_tokens=8_000)
