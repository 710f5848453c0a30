import pytest

from gateway.prompts.files import PromptFileError
from tests.gateway.prompts.builders import SMALL, a_prompt


def test_a_file_says_all_of_a_version_but_its_place() -> None:
    prompt = a_prompt(prompt_id="chat/explain", family="large", version="1.2.0-rc.1")
    assert (prompt.id, prompt.family, str(prompt.version)) == (
        "chat/explain",
        "large",
        "1.2.0-rc.1",
    )
    assert (prompt.unit_primitive, prompt.max_tokens, prompt.temperature) == ("duo_chat", 100, 0.5)
    assert (prompt.stop, prompt.flag) == ((), None)
    assert prompt.inputs["code"].is_required
    assert prompt.inputs["code"].fits == "cut_end"
    assert not prompt.inputs["code"].is_trusted


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("{{code}}", "{{cod}}", "no input 'cod' is declared"),
        ("{{code}}", "it", "'code' is never used"),
        ("{{code}}", "{{code}} {{code}}", "must be shown once"),
        ("{{code}}", "{{code}} {{ code }}", "is no name"),
        ("{{code}}", "{{code}} {{code.real}}", "is no name"),
        ("{{code}}", "{{code}} {{{{", "is no name"),
        ("required = true", "", "may be absent"),
        ("required = true", 'required = true\ntype = "flag"', "has no text"),
        ('text = "Explain."', 'text = "Explain."\nwhen = "x"', "no input 'x' is declared"),
        ("max_tokens = 100", "max_tokens = 0", "max_tokens"),
        ("temperature = 0.5", "temperature = 3", "temperature"),
        ("temperature = 0.5", "", "temperature"),
        ('role = "system"', 'role = "tool"', "role"),
        ('text = "Explain."', 'text = ""', "text"),
        ("[inputs.code]", "[inputs.Code]", "regex"),
        ("[inputs.code]", "[inputs.code]\nrun = 'x'", "run"),
        ('fits = "cut_end"', 'fits = "cut"', "cut"),
        ("max_tokens = 100", "max_tokens = ", "Invalid value"),
    ],
)
def test_a_file_that_contradicts_itself_is_refused_by_its_place(
    old: str, new: str, problem: str
) -> None:
    assert old in SMALL
    with pytest.raises(PromptFileError, match=r"^explain/shared/1\.0\.0: ") as caught:
        a_prompt(SMALL.replace(old, new, 1))
    assert problem in str(caught.value)


def test_a_file_named_like_no_version_is_refused() -> None:
    with pytest.raises(PromptFileError, match="explain/shared/v1"):
        a_prompt(version="v1")


def test_all_that_is_wrong_is_named_at_once() -> None:
    with pytest.raises(PromptFileError, match=r"'cod'.*'code'"):
        a_prompt(SMALL.replace("{{code}}", "{{cod}}"))
