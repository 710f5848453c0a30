"""Makes prompts as a file would have them, and pieces of answers."""

from hypothesis import strategies as st

from gateway.prompts.files import parse_prompt
from gateway.prompts.prompt import SHARED, Prompt

SMALL = """
unit_primitive = "duo_chat"
max_tokens = 100
temperature = 0.5
[inputs.code]
required = true
fits = "cut_end"
[[messages]]
role = "system"
[[messages.parts]]
text = "Explain."
[[messages]]
role = "user"
[[messages.parts]]
text = "The code: {{code}}"
"""


def a_prompt(
    text: str = SMALL, *, prompt_id: str = "explain", family: str = SHARED, version: str = "1.0.0"
) -> Prompt:
    return parse_prompt(text, prompt_id=prompt_id, family=family, version=version)


@st.composite
def cuttings(draw: st.DrawFn, text: str) -> list[str]:
    """The text in pieces, cut at any places."""
    places = sorted(draw(st.lists(st.integers(min_value=0, max_value=len(text)), max_size=12)))
    return [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
