"""GitLab's surface for chat: the model answers, or says what is to be looked up for it."""

from collections.abc import Iterator, Sequence

import msgspec
import structlog
from litestar.types import Receive, Scope, Send

from gateway.edge.boundary import Boundary
from gateway.edge.code import error_body
from gateway.edge.exchange import Exchange
from gateway.edge.metrics import Metrics
from gateway.edge.prompting.bodies import (
    AgentRequest,
    ChatMessage,
    Found,
    OlderStep,
    named_model,
    read,
)
from gateway.edge.prompting.calls import Caller, Prompting
from gateway.edge.prompting.shapes import usage_of
from gateway.errors import InvalidRequestError, PromptTooLongError
from gateway.prompts.agent import (
    AgentEvent,
    AgentInputs,
    AgentParser,
    Step,
    TextDelta,
    ToolCall,
    Turn,
    UnknownTool,
    offered_tools,
    render_agent,
)
from gateway.prompts.rendering import Rendered
from gateway.upstream.models import Upstream
from gateway.upstream.usage import Usage

PATH = "/v2/chat/agent"
SERVED = (("POST", PATH),)
PROMPT = "chat/agent"
# What the code here can render and read.
VERSION = "^1.0.0"
MAX_UNAVAILABLE = 20
MAX_UNAVAILABLE_CHARS = 64

EMPTY = "The model said nothing."
TOO_LONG = "The prompt is too long for the model, even when it is cut."

_LINES = b"application/x-ndjson; charset=utf-8"

log = structlog.get_logger()


def _line(kind: str, **data: object) -> bytes:
    return msgspec.json.encode({"type": kind, "data": data}) + b"\n"


def _event_line(event: AgentEvent) -> bytes:
    match event:
        case TextDelta():
            return _line("final_answer_delta", text=event.text)
        case ToolCall():
            return _line(
                "action", tool=event.tool, tool_input=event.tool_input, thought=event.thought
            )
        case UnknownTool():
            message = f"tool not available: {event.tool}"
            return _line("error", message=message, retryable=True)


class AgentLines:
    """One event a line; the last one says what was counted for `model`."""

    content_type = _LINES
    is_stream = True

    def __init__(self, model: str, parser: AgentParser) -> None:
        self._model = model
        self._parser = parser
        self._is_anything_said = False

    def part(self, text: str) -> bytes:
        """What is certain after this piece of the answer."""
        return self._told(self._parser.feed(text))

    def last(self, usage: Usage | None) -> bytes:
        """The rest; another try may help where nothing was said."""
        told = self._told(self._parser.finish())
        if not self._is_anything_said:
            told = _line("error", message=EMPTY, retryable=True)
        return told + _line("usage", usage=usage_of(self._model, usage))

    def _told(self, events: Sequence[AgentEvent]) -> bytes:
        text = "".join([each.text for each in events if isinstance(each, TextDelta)])
        shown: list[AgentEvent] = [TextDelta(text=text)] if text else []
        shown += [each for each in events if not isinstance(each, TextDelta)]
        self._is_anything_said = self._is_anything_said or bool(shown)
        return b"".join([_event_line(each) for each in shown])


class AgentSurface:
    """An ASGI application for one path."""

    def __init__(self, prompting: Prompting, metrics: Metrics) -> None:
        self._prompting = prompting
        self._boundary = Boundary(metrics, error_body, is_cut_short=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; whatever goes wrong, in GitLab's form."""
        await self._boundary.run(Exchange(scope, receive, send), self._serve)

    async def _serve(self, exchange: Exchange) -> None:
        caller = await self._prompting.admit(exchange, PATH)
        limit_bytes = self._prompting.max_body_bytes
        request = await read(exchange, AgentRequest, limit_bytes=limit_bytes)
        turns = list(_turns(request))
        named = named_model(request.model_metadata, caller.kind)
        upstream = self._prompting.permit(exchange, caller, named)
        for category in _categories(request):
            self._prompting.gate.permit_scope(caller.claims, f"include_{category}_context")
        inputs = AgentInputs(
            turns=turns,
            tools=_tools(caller, request),
            unavailable=_unavailable(request),
            current_date=self._prompting.today(),
        )
        try:
            await self._answer(exchange, caller, upstream=upstream, inputs=inputs)
        except PromptTooLongError as error:
            if exchange.status:
                raise
            # GitLab's instance tells its user so only when it comes as an event.
            log.info("prompt_too_long", model=upstream.ref, reason=error.reason)
            line = _line("error", message=TOO_LONG, retryable=False)
            await exchange.answer(200, line, content_type=_LINES)

    async def _answer(
        self, exchange: Exchange, caller: Caller, *, upstream: Upstream, inputs: AgentInputs
    ) -> None:
        flags = self._prompting.gate.flags_of(caller.claims, caller.kind, exchange.headers)
        prompt = self._prompting.library.find(
            PROMPT, VERSION, family=upstream.family, is_feature_enabled=flags.__contains__
        )

        def render(window_tokens: int) -> Rendered:
            return render_agent(prompt, inputs, window_tokens=window_tokens)

        shape = AgentLines(upstream.ref, AgentParser(inputs.tools))
        await self._prompting.answer(
            exchange, caller, upstream=upstream, render=render, shape=shape
        )


def _tools(caller: Caller, request: AgentRequest) -> tuple[str, ...]:
    offered = offered_tools(caller.claims.scopes, caller.kind)
    can_run = request.options.tools if request.options else None
    return tuple(each for each in offered if can_run is None or each in can_run)


def _unavailable(request: AgentRequest) -> tuple[str, ...]:
    named = request.unavailable_resources or ()
    plain = (each for each in named if each.isprintable() and len(each) <= MAX_UNAVAILABLE_CHARS)
    return tuple(plain)[:MAX_UNAVAILABLE]


def _categories(request: AgentRequest) -> Sequence[str]:
    """Of everything that is sent along, each once."""
    sent = (each for message in request.messages for each in message.additional_context or ())
    return sorted({each.category for each in sent})


def _turns(request: AgentRequest) -> Iterator[Turn]:
    for index, message in enumerate(request.messages):
        if message.agent_scratchpad is not None and message.role != "assistant":
            raise InvalidRequestError(
                message="Only a message of the assistant can have an agent_scratchpad.",
                param=f"messages[{index}].agent_scratchpad",
            )
        yield _turn(message)
    older = request.options.agent_scratchpad if request.options else None
    if older is not None and older.steps:
        yield Turn(role="assistant", scratchpad=[_older_step(each) for each in older.steps])


def _turn(message: ChatMessage) -> Turn:
    page, current_file = message.context, message.current_file
    return Turn(
        role=message.role,
        content=message.content or "",
        context=None if page is None else msgspec.structs.asdict(page),
        current_file=None if current_file is None else msgspec.structs.asdict(current_file),
        additional_context=[
            msgspec.structs.asdict(each) for each in message.additional_context or ()
        ],
        scratchpad=[_step(each) for each in message.agent_scratchpad or ()],
    )


def _step(found: Found) -> Step:
    action = found.action
    return Step(
        thought=action.thought or "",
        tool=action.tool,
        tool_input=action.tool_input or "",
        observation=found.observation,
    )


def _older_step(step: OlderStep) -> Step:
    return Step(
        thought=step.thought or "",
        tool=step.tool,
        tool_input=step.tool_input or "",
        observation=step.observation,
    )
