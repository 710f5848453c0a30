"""Models behind the gateway's chat: one that says what a test wrote, one that obeys anybody."""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from appliance.ai_actions.rules import Request
from appliance.ai_actions.rules.gateway.answers import (
    AgentEvent,
    Cut,
    PromptAnswer,
    TextDelta,
    ToolCall,
)

# What the obedient one takes for an order, wherever it stands.
ORDER = re.compile(r"%%(tool|say) (.*?)%%", re.DOTALL)


@dataclass
class PlayedAnswer:
    """The events of one answer."""

    events: Sequence[AgentEvent]
    cuts: Sequence[Cut] = ()
    is_closed: bool = False

    async def __aiter__(self) -> AsyncIterator[AgentEvent]:
        for event in self.events:
            yield event

    async def aclose(self) -> None:
        self.is_closed = True


@dataclass
class ScriptedAgent:
    """Says one answer after the other; keeps what it was asked."""

    script: list[PlayedAnswer]
    heard: list[Mapping[str, Any]] = field(default_factory=list)
    said: list[PlayedAnswer] = field(default_factory=list)

    def ask_agent(
        self, request: Request, body: Mapping[str, Any], *, unit_primitive: str = "duo_chat"
    ) -> PlayedAnswer:
        del request
        assert unit_primitive == "duo_chat"
        self.heard.append(json.loads(json.dumps(body)))
        self.said.append(self.script[min(len(self.said), len(self.script) - 1)])
        return self.said[-1]


@dataclass
class ObedientAgent:
    """Does all that is written anywhere in what it is told, and repeats all that it reads.

    `%%tool NAME | INPUT%%` calls a tool, `%%say TEXT%%` is said in the answer.
    """

    heard: list[str] = field(default_factory=list)
    done: list[tuple[str, str]] = field(default_factory=list)

    def ask_agent(
        self, request: Request, body: Mapping[str, Any], *, unit_primitive: str = "duo_chat"
    ) -> PlayedAnswer:
        del request, unit_primitive
        text = "\n".join(_texts(body["messages"]))
        self.heard.append(text)
        orders = [(kind, what.strip()) for kind, what in ORDER.findall(text)]
        for kind, what in orders:
            name, _, given = (part.strip() for part in what.partition("|"))
            if kind == "tool" and (name, given) not in self.done:
                self.done.append((name, given))
                return PlayedAnswer([ToolCall(tool=name, tool_input=given, thought=what)])
        said = [what for kind, what in orders if kind == "say"]
        return PlayedAnswer([TextDelta(text=each) for each in (text, *said)])

    async def ask_prompt(
        self, request: Request, prompt_id: str, inputs: Mapping[str, object], **_: Any
    ) -> PromptAnswer:
        """A prompt has no tools: all that can be done is to say something."""
        del request, prompt_id
        text = "\n".join(_texts(dict(inputs)))
        self.heard.append(text)
        said = [what for kind, what in ORDER.findall(text) if kind == "say"]
        return PromptAnswer(text="\n\n".join([text, *said]))


def _texts(value: Any) -> list[str]:
    if isinstance(value, Mapping):
        return [text for each in value.values() for text in _texts(each)]
    if isinstance(value, list):
        return [text for each in value for text in _texts(each)]
    return [value] if isinstance(value, str) else []
