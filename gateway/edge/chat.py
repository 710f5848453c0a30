"""GitLab's older surface for chat: the client writes the prompt, its name says what it is for."""

from collections.abc import Mapping

import msgspec
from litestar.types import Receive, Scope, Send

from gateway.contract.identifiers import served_identifier
from gateway.edge.boundary import Boundary
from gateway.edge.code import error_body
from gateway.edge.exchange import Exchange
from gateway.edge.metrics import Metrics
from gateway.edge.prompting.bodies import ChatRequest, Payload, read
from gateway.edge.prompting.calls import Prompting
from gateway.edge.prompting.questions import as_given
from gateway.edge.prompting.shapes import RawText, WholeText
from gateway.errors import RouteNotFoundError
from gateway.upstream.models import Upstream
from gateway.upstream.usage import Usage

PREFIX = "/v1/chat/"
ROUTE = PREFIX + "{name}"
SERVED = (("POST", ROUTE),)

# The scope that each name needs.
UNIT_PRIMITIVES = {
    "agent": "duo_chat",
    "explain_code": "explain_code",
    "write_tests": "write_tests",
    "refactor_code": "refactor_code",
    "explain_vulnerability": "explain_vulnerability",
    "summarize_comments": "summarize_comments",
    "troubleshoot_job": "troubleshoot_job",
}


class WholeResponse(WholeText):
    """The answer in one piece, with the model that gave it; `timestamp` is in whole seconds."""

    def __init__(self, upstream: Upstream, timestamp: int) -> None:
        super().__init__()
        self._metadata = {
            "provider": upstream.provider,
            "model": upstream.ref,
            "timestamp": timestamp,
        }

    def last(self, usage: Usage | None) -> bytes:
        """The whole answer."""
        del usage
        return msgspec.json.encode({"response": "".join(self._parts), "metadata": self._metadata})


class ChatSurface:
    """An ASGI application for everything below `/v1/chat` but OpenAI's completions."""

    def __init__(self, prompting: Prompting, metrics: Metrics) -> None:
        self._prompting = prompting
        self._boundary = Boundary(metrics, error_body, is_cut_short=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; whatever goes wrong, in GitLab's form."""
        await self._boundary.run(Exchange(scope, receive, send), self._serve)

    async def _serve(self, exchange: Exchange) -> None:
        unit_primitive = UNIT_PRIMITIVES.get(exchange.path.removeprefix(PREFIX), "")
        caller = await self._prompting.admit(exchange, ROUTE, of_prompt=unit_primitive)
        if not unit_primitive:
            raise RouteNotFoundError
        limit_bytes = self._prompting.max_body_bytes
        request = await read(exchange, ChatRequest, limit_bytes=limit_bytes)
        payload = request.prompt_components[0].payload
        named = served_identifier(payload.model_identifier or "")
        upstream = self._prompting.permit(exchange, caller, named)
        timestamp = self._prompting.timestamp()
        await self._prompting.answer(
            exchange,
            caller,
            upstream=upstream,
            render=as_given(_messages(payload), _parameters(payload)),
            shape=RawText() if request.stream else WholeResponse(upstream, timestamp),
        )


def _messages(payload: Payload) -> list[Mapping[str, str]]:
    if isinstance(payload.content, str):
        return [{"role": "user", "content": payload.content}]
    return [{"role": each.role, "content": each.content} for each in payload.content]


def _parameters(payload: Payload) -> Mapping[str, object]:
    params = payload.params
    if params is None:
        return {}
    said = {
        "stop": params.stop_sequences,
        "temperature": params.temperature,
        "max_tokens": params.max_tokens_to_sample,
    }
    return {name: value for name, value in said.items() if value is not None}
