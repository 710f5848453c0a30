"""One version of a prompt."""

from collections.abc import Mapping
from dataclasses import dataclass

from gateway.prompts.inputs import checked
from gateway.prompts.rendering import Rendered, render
from gateway.prompts.template import Input, Template
from gateway.prompts.versions import Version
from gateway.prompts.windows import answer_tokens

SHARED = "shared"


@dataclass(frozen=True, slots=True, kw_only=True)
class Prompt:
    """A prompt that can be filled in; `family` is `shared` where it is for all models.

    `max_tokens` is the longest answer, `flag` the feature flag without which it is not used.
    """

    id: str
    version: Version
    family: str
    unit_primitive: str
    template: Template
    max_tokens: int
    temperature: float
    stop: tuple[str, ...]
    flag: str | None

    @property
    def inputs(self) -> Mapping[str, Input]:
        """What the prompt takes, by name."""
        return self.template.inputs

    def render(self, inputs: Mapping[str, object], *, window_tokens: int) -> Rendered:
        """What to ask a model that takes `window_tokens`, the answer included.

        Raises:
            InvalidInputsError: an input is missing or is not what the prompt takes.
            PromptTooLongError: it does not fit, even with all cut that may be.
        """
        given = checked(inputs, self.inputs)
        answer = answer_tokens(self.max_tokens, window_tokens=window_tokens)
        messages, cuts = render(self.template, given, room_tokens=window_tokens - answer)
        return Rendered(messages=messages, parameters=self.parameters(answer), cuts=cuts)

    def parameters(self, answer: int) -> dict[str, object]:
        """What the request says beside its messages, with `answer` tokens at most to come."""
        stop: dict[str, object] = {"stop": list(self.stop)} if self.stop else {}
        return {"max_tokens": answer, "temperature": self.temperature} | stop
