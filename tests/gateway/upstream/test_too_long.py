import pytest

from gateway.errors import RefusedByModelError
from gateway.upstream.too_long import is_too_long, told_window

# What engines say, with the window in it, if one is.
SAID = {
    "This model's maximum context length is 2048 tokens. However, your prompt contains at least "
    "2100 input tokens, which exceeds this limit.": 2048,
    "Input length (3000) exceeds model's maximum context length (2048).": 2048,
    "The decoder prompt (length 3000) is longer than the maximum model length of 4096.": 4096,
    "You passed 4000 input tokens. However, the model's context length is only 4096 tokens.": 4096,
    "the request exceeds the available context size (8192 tokens), try increasing it": 8192,
    "code: context_length_exceeded": None,
    "The input is too long for this model.": None,
}


@pytest.mark.parametrize(("message", "window"), SAID.items())
def test_engines_say_it_in_many_words(message: str, window: int | None) -> None:
    refusal = RefusedByModelError(message=message)
    assert is_too_long(refusal)
    assert told_window(refusal) == window


@pytest.mark.parametrize(
    "message", ["temperature must be at most 2", "Unrecognized request argument: x", ""]
)
def test_other_refusals_are_not_taken_for_it(message: str) -> None:
    assert not is_too_long(RefusedByModelError(message=message))


def test_a_window_of_nothing_is_none() -> None:
    assert told_window(RefusedByModelError(message="context length is 0")) is None
