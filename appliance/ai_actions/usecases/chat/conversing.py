"""Asks the gateway until the model has an answer, and reads for it what it wants read."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules import Answer, Request
from appliance.ai_actions.rules.catalogue import CHAT
from appliance.ai_actions.rules.chat import observations
from appliance.ai_actions.rules.chat.references import input_text
from appliance.ai_actions.rules.chat.slash_commands import (
    SILENT,
    Asked,
    help_text,
    is_open,
    missing_code,
    offered,
    wrong_page,
)
from appliance.ai_actions.rules.gateway import faults, fitting
from appliance.ai_actions.rules.gateway.answers import (
    AgentEvent,
    Cut,
    Failed,
    TextDelta,
    ToolCall,
)
from appliance.ai_actions.usecases.chat.preparing import (
    NOT_INCLUDED,
    UNAVAILABLE,
    Question,
    prepare,
)
from appliance.ai_actions.usecases.chat.tools import TOOLS, Observation, Toolbox
from appliance.ai_actions.usecases.running import Running
from gateway.contract.catalog import Catalog

# As the real system bounds them.
MAX_STEPS = 10
MAX_RETRIES = 2
# Nobody reads more of one answer; a model that goes on is not listened to.
MAX_ANSWER_CHARS = 100_000
MAX_THOUGHT_CHARS, MAX_TOOL_CHARS = 2_000, 100
COMMAND_FAILED, WRONG_PAGE, NOTHING_DOCUMENTED, TOO_MANY_STEPS = "M4000", "M4001", "M2000", "A1006"
CUT_OFF = "The answer was too long, and is cut here."

OnText = Callable[[str], None]


class AgentAnswer(Protocol):
    """One answer of the gateway's chat, event by event; closed when no more is wanted."""

    cuts: Sequence[Cut]

    def __aiter__(self) -> AsyncIterator[AgentEvent]:
        """The events, once."""

    async def aclose(self) -> None:
        """Wants no more of it."""


class Agent(Protocol):
    """The way to the gateway's chat."""

    def ask_agent(
        self, request: Request, body: Mapping[str, Any], *, unit_primitive: str = CHAT
    ) -> AgentAnswer:
        """What the model says to a conversation."""


class Act(Protocol):
    """Runs an action that is not chat."""

    def __call__(self, running: Running, *, on_text: OnText | None = None) -> Awaitable[Answer]:
        """Its answer."""


@dataclass(slots=True, kw_only=True)
class _Run:
    """How far one question is."""

    running: Running
    question: Question
    steps: list[Mapping[str, Any]] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)
    sources: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    retries: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Said:
    """What one answer of the gateway came to."""

    text: str = ""
    call: ToolCall | None = None
    failure: Failed | None = None
    cuts: Sequence[Cut] = ()
    is_cut_off: bool = False


@dataclass(slots=True, kw_only=True)
class _Heard:
    """What was heard of one answer so far; after a call or a failure nothing more counts."""

    tell: OnText
    parts: list[str] = field(default_factory=list)
    length: int = 0
    end: ToolCall | Failed | None = None

    def take(self, event: AgentEvent) -> None:
        if self.end is not None:
            return
        if not isinstance(event, TextDelta):
            self.end = event
            return
        self.length += len(event.text)
        if event.text and self.length <= MAX_ANSWER_CHARS:
            self.parts.append(event.text)
            self.tell(event.text)

    def summed_up(self, cuts: Sequence[Cut]) -> _Said:
        return _Said(
            text="".join(self.parts),
            call=self.end if isinstance(self.end, ToolCall) else None,
            failure=self.end if isinstance(self.end, Failed) else None,
            cuts=cuts,
            is_cut_off=self.length > MAX_ANSWER_CHARS,
        )


class ChatRunner:
    """Runs one question after another."""

    def __init__(self, agent: Agent, act: Act, *, toolbox: Toolbox, catalog: Catalog) -> None:
        self._agent = agent
        self._act = act
        self._toolbox = toolbox
        self._catalog = catalog

    async def __call__(self, running: Running) -> Answer:
        """The answer.

        Raises:
            ActionFailedError: there is none, with the code that says why.
        """
        question = await running.read(
            lambda session: prepare(
                session, running.request, catalog=self._catalog, now=running.clock()
            )
        )
        if question.command is not None:
            return await self._command(running, question, question.command)
        return await self._converse(_Run(running=running, question=question))

    async def _command(self, running: Running, question: Question, asked: Asked) -> Answer:
        command, request = asked.command, running.request
        if command.name in SILENT:
            return Answer(content="", is_silent=True)
        page = None if request.resource is None else request.resource.kind
        if command.action is None:
            return Answer(content=help_text(offered(question.scopes, page=page)))
        if not is_open(command, question.scopes):
            detail = f"/{command.name} needs {command.unit_primitive}."
            raise ActionFailedError(NOT_INCLUDED, {"detail": detail})
        if command.pages and page not in command.pages:
            raise ActionFailedError(WRONG_PAGE, {"detail": wrong_page(command)})
        wanted = replace(request, action=command.action, inputs=_inputs(asked, request.inputs))
        return await self._act(replace(running, request=wanted), on_text=_chunks_of(running))

    async def _converse(self, run: _Run) -> Answer:
        said = await self._ask(run)
        while said.call is not None:
            if len(run.steps) == MAX_STEPS - 1:
                raise ActionFailedError(TOO_MANY_STEPS)
            await self._use(run, said.call)
            said = await self._ask(run)
        return _answer(run, said)

    async def _ask(self, run: _Run) -> _Said:
        while True:
            said = await self._listen(run)
            if said.failure is None:
                return said
            if not said.failure.is_retryable or run.retries == MAX_RETRIES:
                raise ActionFailedError(faults.code_of_event(said.failure.message))
            run.retries += 1

    async def _listen(self, run: _Run) -> _Said:
        answer = self._agent.ask_agent(run.running.request, _body(run), unit_primitive=CHAT)
        said = _Heard(tell=_chunks_of(run.running))
        try:
            async for event in answer:
                said.take(event)
                if said.length > MAX_ANSWER_CHARS:
                    break
        finally:
            await answer.aclose()
        return said.summed_up(answer.cuts)

    async def _use(self, run: _Run, call: ToolCall) -> None:
        observed = await self._observe(run, call)
        run.sources |= {str(each["source_url"]): each for each in observed.sources}
        is_first = not run.steps
        run.steps.append(
            {
                "action": {
                    "thought": call.thought[:MAX_THOUGHT_CHARS],
                    "tool": call.tool[:MAX_TOOL_CHARS],
                    "tool_input": input_text(call.tool_input),
                },
                "observation": observed.text,
            }
        )
        if is_first and observed.text == observations.NO_DOCUMENTATION:
            raise ActionFailedError(NOTHING_DOCUMENTED)

    async def _observe(self, run: _Run, call: ToolCall) -> Observation:
        key = (call.tool, input_text(call.tool_input))
        if key in run.seen:
            return Observation(text=observations.REPEATED)
        run.seen.add(key)
        tool, running = TOOLS.get(call.tool), run.running
        if tool is not None:
            running.tell_tool(tool.notice)
        return await running.read(
            lambda session: self._toolbox.use(session, running.request, call, now=running.clock())
        )


def _chunks_of(running: Running) -> OnText:
    number = 0

    def tell(text: str) -> None:
        nonlocal number
        number += 1
        running.tell_chunk(text, number)

    return tell


def _body(run: _Run) -> Mapping[str, Any]:
    messages = list(run.question.messages)
    if run.steps:
        messages.append({"role": "assistant", "content": None, "agent_scratchpad": run.steps})
    return {
        "messages": messages,
        "options": {"tools": list(run.question.tools)},
        "unavailable_resources": list(UNAVAILABLE),
    }


def _answer(run: _Run, said: _Said) -> Answer:
    if not said.text.strip():
        raise ActionFailedError(faults.EMPTY)
    text = fitting.with_note(said.text, fitting.told(said.cuts))
    if said.is_cut_off:
        text = fitting.with_note(text, CUT_OFF)
    extras = {
        "sources": list(run.sources.values()),
        "additionalContext": list(run.question.shown_context),
    }
    return Answer(content=text, extras={name: each for name, each in extras.items() if each})


def _inputs(asked: Asked, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
    if not asked.command.takes_code:
        return {}
    current = inputs.get("current_file") or {}
    selected = str(current.get("selected_text") or "")
    code, question = (selected, asked.rest) if selected.strip() else (asked.rest, "")
    if not code.strip():
        raise ActionFailedError(COMMAND_FAILED, {"detail": missing_code(asked.command)})
    return {
        "code": code,
        "file_name": current.get("file_name") or "",
        "content_above_cursor": current.get("content_above_cursor") or "",
        "content_below_cursor": current.get("content_below_cursor") or "",
        "question": question,
    }
