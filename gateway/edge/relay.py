"""Carries one permitted call to its model and the answer back, and says how it went."""

import asyncio
import time
from collections.abc import Awaitable
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import structlog

from gateway.contract.claims import Claims
from gateway.contract.codes import Code
from gateway.edge.exchange import Exchange, Header
from gateway.edge.metrics import Metrics, Settled
from gateway.errors import GatewayError, ModelUnavailableError, RefusedByModelError
from gateway.upstream.connection import BrokenOffError, Connection
from gateway.upstream.endpoints import Upstream
from gateway.upstream.forward import Forwarder
from gateway.upstream.usage import Usage, UsageTap, usage_of

Outcome = Literal["answered", "refused_by_model", "failed", "aborted"]

# What proxies log for a client that left before the answer was whole.
CLIENT_LEFT = 499

_STREAM_HEADERS: tuple[Header, ...] = (
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
_EVENT_STREAM = b"text/event-stream"
_JSON = b"application/json"

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Call:
    """One model call as it will be forwarded.

    `route` is the path the client used, `path` the one below the endpoint's base URL. The engine
    is always asked for usage; `wants_usage` says whether the client asked as well.
    """

    route: str
    path: str
    body: bytes
    stream: bool
    wants_usage: bool
    feature: str
    started: float
    upstream: Upstream
    claims: Claims


class Relay:
    """Forwards calls; one for the whole gateway."""

    def __init__(
        self, forwarder: Forwarder, metrics: Metrics, *, longest_answer: timedelta
    ) -> None:
        self._forwarder = forwarder
        self._metrics = metrics
        self._longest_answer_s = longest_answer.total_seconds()

    async def run(self, exchange: Exchange, call: Call) -> None:
        """Answers the exchange with what the model says; a client that leaves cancels the model.

        Raises:
            GatewayError: the model cannot be reached or breaks off; the caller ends the exchange.
        """
        tap = UsageTap(strip=not call.wants_usage)
        outcome: Outcome = "aborted"
        status = CLIENT_LEFT
        try:
            await self._carry(exchange, call, tap=tap)
            outcome, status = "answered", exchange.status
        except asyncio.CancelledError:
            if tap.has_ended:
                # The client had read to the end, and did not wait for the connection's.
                outcome, status = "answered", exchange.status
            raise
        except GatewayError as error:
            outcome = "refused_by_model" if isinstance(error, RefusedByModelError) else "failed"
            status = error.status
            raise
        finally:
            settled = Settled(
                route=call.route,
                status=status,
                seconds=time.perf_counter() - call.started,
                feature=call.feature,
                provider=call.upstream.provider,
                model=call.upstream.ref,
                usage=tap.usage,
            )
            self._settle(
                settled, claims=call.claims, outcome=outcome, request_id=exchange.request_id
            )

    async def _carry(self, exchange: Exchange, call: Call, *, tap: UsageTap) -> None:
        answer: Connection | None = None
        exchange.watch_client()
        try:
            # One timer for the whole answer: one at every read would cost something at every chunk.
            async with asyncio.timeout(self._longest_answer_s):
                answer = await self._forwarder.open(call.upstream, call.path, call.body)
                if call.stream and _kind(answer) == _EVENT_STREAM:
                    await _stream(exchange, answer, tap=tap)
                else:
                    tap.usage = await _whole(exchange, answer)
        except (BrokenOffError, TimeoutError) as cause:
            reason = f"{call.upstream.ref} broke off: {type(cause).__name__}: {cause}"
            raise ModelUnavailableError(reason=reason) from cause
        finally:
            exchange.forget_client()
            if answer is not None:
                self._forwarder.close(call.upstream, answer)

    def _settle(
        self, settled: Settled, *, claims: Claims, outcome: Outcome, request_id: bytes
    ) -> None:
        self._metrics.settle(settled)
        usage = settled.usage
        log.info(
            "ai_feature_used",
            category="ai_usage",
            request_id=request_id.decode(),
            feature=settled.feature,
            provider=settled.provider,
            model=settled.model,
            namespace=claims.ns,
            user=claims.sub,
            issuer=claims.iss,
            outcome=outcome,
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            seconds=round(settled.seconds, 4),
        )


def _kind(answer: Connection) -> bytes:
    return answer.content_type.partition(b";")[0].strip().lower()


async def _whole(exchange: Exchange, answer: Connection) -> Usage | None:
    body = await answer.read()
    exchange.forget_client()
    await exchange.answer(answer.status, body, content_type=answer.content_type or _JSON)
    return usage_of(body)


async def _stream(exchange: Exchange, answer: Connection, *, tap: UsageTap) -> None:
    await exchange.start(answer.status, answer.content_type, _STREAM_HEADERS)

    def hand_on(data: bytes) -> Awaitable[None] | None:
        passed = tap.pass_on(data)
        return exchange.push(passed) if passed else None

    await answer.stream(hand_on)
    exchange.forget_client()
    await exchange.end(tap.finish())


def is_worth_retrying(error: GatewayError) -> bool:
    """Whether a client should be told to come back in a few seconds."""
    return error.status in {429, 503} and error.code is not Code.GATEWAY_TOO_OLD
