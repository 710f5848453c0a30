"""GitLab's surface for prompts: the client gives the inputs, the gateway knows what to ask."""

from collections.abc import Mapping
from typing import Any

from litestar.types import Receive, Scope, Send

from gateway.edge.boundary import Boundary
from gateway.edge.code import error_body
from gateway.edge.exchange import Exchange
from gateway.edge.metrics import Metrics
from gateway.edge.prompting.bodies import PromptRequest, named_model, read
from gateway.edge.prompting.calls import Caller, Prompting
from gateway.edge.prompting.shapes import Lines, RawText, WholeObject, WholeText
from gateway.edge.prompting.telling import Shape
from gateway.errors import PromptNotFoundError
from gateway.prompts.prompt import Prompt
from gateway.prompts.rendering import Rendered
from gateway.upstream.models import Upstream

V1 = "/v1/prompts/"
V2 = "/v2/prompts/"
ROUTE_OF = {V1: V1 + "{id}", V2: V2 + "{id}"}
SERVED = tuple(("POST", route) for route in ROUTE_OF.values())
CURRENT_DATE = "current_date"


def shape_of(version: str, upstream: Upstream, *, is_stream: bool) -> Shape:
    """How the answer is written; `version` is the beginning of the path."""
    if version == V1:
        return RawText() if is_stream else WholeText()
    return Lines(upstream.ref) if is_stream else WholeObject(upstream.ref)


class PromptsSurface:
    """An ASGI application for everything below `/v1/prompts` and `/v2/prompts`."""

    def __init__(self, prompting: Prompting, metrics: Metrics) -> None:
        self._prompting = prompting
        self._boundary = Boundary(metrics, error_body, is_cut_short=True)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; whatever goes wrong, in GitLab's form."""
        await self._boundary.run(Exchange(scope, receive, send), self._serve)

    async def _serve(self, exchange: Exchange) -> None:
        version = V1 if exchange.path.startswith(V1) else V2
        prompt_id = exchange.path.removeprefix(version)
        caller, unknown = await self._admit(exchange, version, prompt_id)
        if unknown is not None:
            raise unknown
        limit_bytes = self._prompting.max_body_bytes
        request = await read(exchange, PromptRequest, limit_bytes=limit_bytes)
        named = named_model(request.model_metadata, caller.kind)
        upstream = self._prompting.permit(exchange, caller, named)
        flags = self._prompting.gate.flags_of(caller.claims, caller.kind, exchange.headers)
        prompt = self._prompting.library.find(
            prompt_id,
            request.prompt_version,
            family=upstream.family,
            is_feature_enabled=flags.__contains__,
        )
        inputs = self._with_date(prompt, request.inputs)

        def render(window_tokens: int) -> Rendered:
            return prompt.render(inputs, window_tokens=window_tokens)

        await self._prompting.answer(
            exchange,
            caller,
            upstream=upstream,
            render=render,
            shape=shape_of(version, upstream, is_stream=bool(request.stream)),
        )

    async def _admit(
        self, exchange: Exchange, version: str, prompt_id: str
    ) -> tuple[Caller, PromptNotFoundError | None]:
        """Who asks; which prompts there are is told to nobody without a good token."""
        unknown, unit_primitive = None, ""
        try:
            unit_primitive = self._prompting.library.unit_primitive_of(prompt_id)
        except PromptNotFoundError as error:
            unknown = error
        caller = await self._prompting.admit(exchange, ROUTE_OF[version], of_prompt=unit_primitive)
        return caller, unknown

    def _with_date(self, prompt: Prompt, inputs: Mapping[str, Any]) -> Mapping[str, Any]:
        if CURRENT_DATE not in prompt.inputs or inputs.get(CURRENT_DATE):
            return inputs
        return {**inputs, CURRENT_DATE: self._prompting.today()}
