"""Carries one permitted call to its model and the answer back, and says how it went."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta

import structlog

from gateway.contract.claims import Claims
from gateway.contract.codes import Code
from gateway.contract.events import EVENT_CATEGORY, EVENT_NAME, UsageEvent
from gateway.contract.ulids import make_ulid
from gateway.edge.account import Account
from gateway.edge.exchange import Exchange, Header
from gateway.edge.metrics import Metrics, Settled
from gateway.edge.running import Running
from gateway.errors import (
    GatewayError,
    ModelUnavailableError,
    RefusedByModelError,
    TokenSupersededError,
)
from gateway.issuer.spool.spool import Spool
from gateway.upstream.connection import BrokenOffError, Connection
from gateway.upstream.forward import Forwarder, Opened
from gateway.upstream.models import Upstream
from gateway.upstream.usage import ENDS, UsageTap, usage_of

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
    unit_primitive: str
    started: float
    upstream: Upstream
    claims: Claims


class Relay:
    """Forwards calls; one for the whole gateway. `clock` gives seconds since the epoch."""

    def __init__(
        self,
        forwarder: Forwarder,
        metrics: Metrics,
        spool: Spool,
        *,
        running: Running,
        longest_answer: timedelta,
        clock: Callable[[], float],
    ) -> None:
        self._forwarder = forwarder
        self._running = running
        self._metrics = metrics
        self._spool = spool
        self._longest_answer_s = longest_answer.total_seconds()
        self._clock = clock

    async def run(self, exchange: Exchange, call: Call) -> None:
        """Answers the exchange with what the model says; a client that leaves cancels the model.

        Raises:
            TokenSupersededError: the caller's rights were taken back, before or meanwhile.
            GatewayError: the model cannot be reached or breaks off; the caller ends the exchange.
        """
        running = self._running.enter(call.claims)
        tap = UsageTap(strip=not call.wants_usage)
        event = _event(call, exchange, now=self._clock())
        account = Account(event, self._spool, started=call.started)
        try:
            await self._carry(exchange, call, tap=tap, account=account)
        except asyncio.CancelledError:
            if running.is_superseded and not exchange.is_gone:
                running.task.uncancel()
                account.settle("superseded", TokenSupersededError().status, tap.usage)
                raise TokenSupersededError(reason="revoked while it was answered") from None
            account.settle("aborted", CLIENT_LEFT, tap.usage)
            raise
        except GatewayError as error:
            is_refusal = isinstance(error, RefusedByModelError)
            account.settle("refused_by_model" if is_refusal else "failed", error.status, tap.usage)
            raise
        finally:
            self._running.leave(running)
            account.settle("failed", GatewayError().status, tap.usage)
            self._tell(call, account, request_id=exchange.request_id)

    async def _carry(
        self, exchange: Exchange, call: Call, *, tap: UsageTap, account: Account
    ) -> None:
        opened: Opened | None = None
        exchange.watch_client()
        try:
            # One timer for the whole answer: one at every read would cost something at every chunk.
            async with asyncio.timeout(self._longest_answer_s):
                opened = await self._forwarder.open(call.upstream, call.path, call.body)
                _, answer = opened
                if call.stream and _kind(answer) == _EVENT_STREAM:
                    await _stream(exchange, answer, tap=tap, account=account)
                else:
                    await _whole(exchange, answer, account=account)
        except (BrokenOffError, TimeoutError) as cause:
            reason = f"{call.upstream.ref} broke off: {type(cause).__name__}: {cause}"
            raise ModelUnavailableError(reason=reason) from cause
        finally:
            exchange.forget_client()
            if opened is not None:
                self._forwarder.close(call.upstream, *opened)

    def _tell(self, call: Call, account: Account, *, request_id: bytes) -> None:
        usage = account.usage
        settled = Settled(
            route=call.route,
            status=account.status,
            seconds=time.perf_counter() - call.started,
            feature=call.feature,
            provider=call.upstream.provider,
            model=call.upstream.ref,
            usage=usage,
        )
        self._metrics.settle(settled)
        log.info(
            EVENT_NAME,
            category=EVENT_CATEGORY,
            event_id=account.event_id,
            request_id=request_id.decode(),
            feature=settled.feature,
            provider=settled.provider,
            model=settled.model,
            namespace=call.claims.ns,
            user=call.claims.sub,
            issuer=call.claims.iss,
            outcome=account.outcome,
            prompt_tokens=usage.prompt_tokens if usage else None,
            completion_tokens=usage.completion_tokens if usage else None,
            seconds=round(settled.seconds, 4),
        )


def _event(call: Call, exchange: Exchange, *, now: float) -> UsageEvent:
    """The call as it counts if the gateway ends before it does."""
    claims = call.claims
    return UsageEvent(
        event_id=make_ulid(now, os.urandom),
        happened_at=round(now, 3),
        request_id=exchange.request_id.decode(),
        issuer=claims.iss,
        subject=claims.sub,
        # A unit primitive that belongs to no feature is one by itself.
        feature=call.feature or call.unit_primitive,
        unit_primitive=call.unit_primitive,
        provider=call.upstream.provider,
        model=call.upstream.ref,
        outcome="interrupted",
        status=0,
        namespace_id=claims.ns,
        root_namespace_id=claims.root_ns,
    )


def _kind(answer: Connection) -> bytes:
    return answer.content_type.partition(b";")[0].strip().lower()


async def _whole(exchange: Exchange, answer: Connection, *, account: Account) -> None:
    body = await answer.read()
    exchange.forget_client()
    # On disk before the client has it: what was answered is counted, whenever we are killed.
    account.settle("answered", answer.status, usage_of(body))
    await exchange.answer(answer.status, body, content_type=answer.content_type or _JSON)


async def _stream(
    exchange: Exchange, answer: Connection, *, tap: UsageTap, account: Account
) -> None:
    await exchange.start(answer.status, answer.content_type, _STREAM_HEADERS)

    def hand_on(data: bytes) -> Awaitable[None] | None:
        if not account.first_token_at:
            account.first_token_at = time.perf_counter()
        passed = tap.pass_on(data)
        # A client that has read this far need not wait for the connection's end.
        if passed.endswith(ENDS):
            account.settle("answered", answer.status, tap.usage)
        return exchange.push(passed) if passed else None

    await answer.stream(hand_on)
    exchange.forget_client()
    account.settle("answered", answer.status, tap.usage)
    await exchange.end(tap.finish())


def is_worth_retrying(error: GatewayError) -> bool:
    """Whether a client should be told to come back in a few seconds."""
    return error.status in {429, 503} and error.code is not Code.GATEWAY_TOO_OLD
