"""What the surfaces of prompts and chat share: who asks which model, and how it is answered."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from gateway.contract import headers
from gateway.contract.catalog import Catalog
from gateway.contract.claims import Claims
from gateway.edge.admitting.gate import Gate
from gateway.edge.calls.relay import Call, Relay
from gateway.edge.exchange import Exchange
from gateway.edge.prompting.questions import Asked, Render
from gateway.edge.prompting.telling import Shape, Telling
from gateway.errors import MethodNotAllowedError
from gateway.issuer.tokens.profiles import Kind
from gateway.policy.permits import required_unit_primitive
from gateway.policy.routes import ROUTES
from gateway.prompts.library import Library
from gateway.upstream.models import Upstream

# Of a model of which nobody says how much it takes; one that takes less says so when it is asked.
UNSAID_WINDOW_TOKENS = 32_000

_UNIT_PRIMITIVE = headers.UNIT_PRIMITIVE.lower().encode()


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who asks, with what is known of them; `started` is of `time.perf_counter`."""

    claims: Claims
    kind: Kind
    route: str
    unit_primitive: str
    started: float


class Prompting:
    """Admits callers, finds their models and has these answer; one for all surfaces of prompts.

    `clock` gives seconds since the epoch.
    """

    def __init__(
        self,
        gate: Gate,
        relay: Relay,
        *,
        library: Library,
        catalog: Catalog,
        max_body_bytes: int,
        clock: Callable[[], float],
    ) -> None:
        self.gate = gate
        self.library = library
        self.max_body_bytes = max_body_bytes
        self._clock = clock
        self._relay = relay
        self._families = catalog.model_families

    def timestamp(self) -> int:
        """Now, in whole seconds since the epoch."""
        return int(self._clock())

    def today(self) -> str:
        """The date by UTC, as ISO 8601 writes it."""
        return datetime.fromtimestamp(self._clock(), UTC).date().isoformat()

    async def admit(self, exchange: Exchange, route: str, *, of_prompt: str = "") -> Caller:
        """Who asks, at a row of the policy table; no model is permitted by that.

        `of_prompt` is the unit primitive of the prompt that the path names, empty for none.

        Raises:
            MethodNotAllowedError: it is not asked by POST.
            GatewayError: as `Gate.admit`.
        """
        started = time.perf_counter()
        if exchange.method != "POST":
            raise MethodNotAllowedError
        policy = ROUTES["POST", route]
        named = exchange.headers.get(_UNIT_PRIMITIVE)
        unit_primitive = required_unit_primitive(policy, named, of_prompt=of_prompt)
        claims, kind = await self.gate.recognise(exchange.headers, policy, unit_primitive)
        return Caller(
            claims=claims, kind=kind, route=route, unit_primitive=unit_primitive, started=started
        )

    def permit(self, exchange: Exchange, caller: Caller, named: str) -> Upstream:
        """The model that answers: the named one if it may be named, else that of the feature.

        Raises:
            GatewayError: as `Gate.permit`.
        """
        return self.gate.permit(caller.claims, caller.unit_primitive, named, exchange=exchange)

    async def answer(
        self,
        exchange: Exchange,
        caller: Caller,
        *,
        upstream: Upstream,
        render: Render,
        shape: Shape,
    ) -> None:
        """Has the model answer what is rendered for it.

        Raises:
            InvalidInputsError: the prompt does not take what it is given.
            PromptTooLongError: it cannot be made to fit.
            GatewayError: as `Relay.run`.
        """
        asked = Asked(render, upstream, caller.claims)
        family = self._families.get(upstream.family or "")
        window_tokens = upstream.window_tokens(
            family.context_tokens if family else UNSAID_WINDOW_TOKENS
        )
        body = await asked.body(window_tokens)
        call = Call(
            route=caller.route,
            feature=self.gate.feature_of(caller.unit_primitive),
            unit_primitive=caller.unit_primitive,
            started=caller.started,
            upstream=upstream,
            claims=caller.claims,
        )
        telling = Telling(asked, shape, body=body, window_tokens=window_tokens)
        await self._relay.run(exchange, call, telling)
