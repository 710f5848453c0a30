"""Carries one permitted call to its model and the answer back, and says how it went."""

import asyncio
import time
from dataclasses import dataclass
from typing import Literal

import aiohttp
import structlog

from gateway.contract.claims import Claims
from gateway.edge.exchange import Exchange, Header
from gateway.edge.metrics import Metrics, Settled
from gateway.errors import GatewayError, ModelUnavailableError
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


class Relay:
    """Forwards calls; one for the whole gateway."""

    def __init__(self, forwarder: Forwarder, metrics: Metrics) -> None:
        self._forwarder = forwarder
        self._metrics = metrics

    async def run(
        self, exchange: Exchange, call: Call, *, upstream: Upstream, claims: Claims
    ) -> None:
        """Answers the exchange with what the model says; a client that leaves cancels the model.

        Raises:
            GatewayError: the model cannot be reached or breaks off; the caller ends the exchange.
        """
        watcher = exchange.cancel_when_gone()
        answer: aiohttp.ClientResponse | None = None
        tap = UsageTap(strip=not call.wants_usage)
        outcome: Outcome = "failed"
        try:
            answer = await self._forwarder.open(upstream, call.path, call.body)
            if call.stream and answer.content_type == _EVENT_STREAM:
                await _stream(exchange, answer, tap=tap, watcher=watcher)
            else:
                tap.usage = await _whole(exchange, answer, watcher=watcher)
            outcome = "answered" if answer.ok else "refused_by_model"
        except (aiohttp.ClientError, TimeoutError) as cause:
            reason = f"{upstream.ref} broke off: {type(cause).__name__}: {cause}"
            raise ModelUnavailableError(reason=reason) from cause
        except asyncio.CancelledError:
            outcome = "aborted"
            raise
        finally:
            watcher.cancel()
            if answer is not None:
                # Frees the model at once if it is still answering; nothing to do if it is not.
                answer.close()
            self._settle(
                exchange, call, upstream=upstream, claims=claims, outcome=outcome, usage=tap.usage
            )

    def _settle(
        self,
        exchange: Exchange,
        call: Call,
        *,
        upstream: Upstream,
        claims: Claims,
        outcome: Outcome,
        usage: Usage | None,
    ) -> None:
        seconds = time.perf_counter() - call.started
        if outcome != "failed":
            status = CLIENT_LEFT if outcome == "aborted" else exchange.status
            self._metrics.settle(
                Settled(
                    route=call.route,
                    status=status,
                    seconds=seconds,
                    feature=call.feature,
                    provider=upstream.provider,
                    model=upstream.ref,
                    usage=usage,
                )
            )
        log.info(
            "ai_feature_used",
            category="ai_usage",
            request_id=exchange.request_id.decode(),
            feature=call.feature,
            provider=upstream.provider,
            model=upstream.ref,
            namespace=claims.ns,
            user=claims.sub,
            issuer=claims.iss,
            outcome=outcome,
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            seconds=round(seconds, 4),
        )


async def _whole(
    exchange: Exchange, answer: aiohttp.ClientResponse, *, watcher: asyncio.Task[None]
) -> Usage | None:
    body = await answer.read()
    watcher.cancel()
    content_type = answer.headers.get("Content-Type", "application/json").encode("latin-1")
    extra = _passed_on(answer)
    await exchange.answer(answer.status, body, content_type=content_type, extra=extra)
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


def _passed_on(answer: aiohttp.ClientResponse) -> tuple[Header, ...]:
    retry_after = answer.headers.get("Retry-After")
    return ((b"retry-after", retry_after.encode("latin-1")),) if retry_after else ()


def is_worth_retrying(error: GatewayError) -> bool:
    """Whether a client should be told to come back in a few seconds."""
    return error.status == 503 and error.code != "gateway_too_old"  # noqa: PLR2004  # unavailable
