"""Carries one permitted call to its model and the answer back, and says how it went."""

import asyncio
import time
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import aiohttp
import structlog

from gateway.contract.claims import Claims
from gateway.contract.codes import Code
from gateway.edge.exchange import Exchange, Header
from gateway.edge.metrics import Metrics, Settled
from gateway.errors import GatewayError, ModelUnavailableError, RefusedByModelError
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
_EVENT_STREAM = "text/event-stream"

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
        watcher = exchange.cancel_when_gone()
        answer: aiohttp.ClientResponse | None = None
        try:
            # One timer for the whole answer: the client's own limits cost something at every read.
            async with asyncio.timeout(self._longest_answer_s):
                answer = await self._forwarder.open(call.upstream, call.path, call.body)
                if call.stream and answer.content_type == _EVENT_STREAM:
                    await _stream(exchange, answer, tap=tap, watcher=watcher)
                else:
                    tap.usage = await _whole(exchange, answer, watcher=watcher)
        except (aiohttp.ClientError, TimeoutError) as cause:
            reason = f"{call.upstream.ref} broke off: {type(cause).__name__}: {cause}"
            raise ModelUnavailableError(reason=reason) from cause
        finally:
            watcher.cancel()
            if answer is not None:
                # Frees the model at once if it is still answering; nothing to do if it is not.
                answer.close()

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


async def _whole(
    exchange: Exchange, answer: aiohttp.ClientResponse, *, watcher: asyncio.Task[None]
) -> Usage | None:
    body = await answer.read()
    watcher.cancel()
    content_type = answer.headers.get("Content-Type", "application/json").encode("latin-1")
    await exchange.answer(answer.status, body, content_type=content_type)
    return usage_of(body)


async def _stream(
    exchange: Exchange,
    answer: aiohttp.ClientResponse,
    *,
    tap: UsageTap,
    watcher: asyncio.Task[None],
) -> None:
    content_type = answer.headers["Content-Type"].encode("latin-1")
    await exchange.start(answer.status, content_type, _STREAM_HEADERS)
    content = answer.content
    while data := await content.readany():
        if passed := tap.pass_on(data):
            await exchange.write(passed)
    watcher.cancel()
    await exchange.end(tap.finish())


def is_worth_retrying(error: GatewayError) -> bool:
    """Whether a client should be told to come back in a few seconds."""
    return error.status in {429, 503} and error.code is not Code.GATEWAY_TOO_OLD
