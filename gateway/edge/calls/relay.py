"""Has one permitted call answered by its model, in whatever form, and says how it went."""

import asyncio
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import structlog

from gateway.contract.claims import Claims
from gateway.contract.codes import Code
from gateway.contract.events import EVENT_CATEGORY, EVENT_NAME, UsageEvent
from gateway.contract.ulids import make_ulid
from gateway.edge.calls.account import Account
from gateway.edge.calls.running import Running
from gateway.edge.exchange import Exchange
from gateway.edge.metrics import Metrics, Settled
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
from gateway.upstream.usage import Usage

# What proxies log for a client that left before the answer was whole.
CLIENT_LEFT = 499

log = structlog.get_logger()


@dataclass(slots=True, kw_only=True)
class Call:
    """One permitted model call: who asks for what, and which model answers.

    `route` is the row of the policy table. `started` is of `time.perf_counter`.
    """

    route: str
    feature: str
    unit_primitive: str
    started: float
    upstream: Upstream
    claims: Claims


class Line:
    """The way to the model of one call; a second question hangs up on the first."""

    __slots__ = ("_forwarder", "_opened", "_upstream")

    def __init__(self, forwarder: Forwarder, upstream: Upstream) -> None:
        self._forwarder = forwarder
        self._upstream = upstream
        self._opened: Opened | None = None

    async def ask(self, path: str, body: bytes) -> Connection:
        """The answer to a question at `path`, below the endpoint's base URL; its body is unread.

        Raises:
            GatewayError: as `Forwarder.open`.
        """
        self.hang_up()
        self._opened = await self._forwarder.open(self._upstream, path, body)
        return self._opened[1]

    def hang_up(self) -> None:
        """Frees the model at once; nothing happens if it is not asked."""
        if self._opened is not None:
            self._forwarder.close(self._upstream, *self._opened)
            self._opened = None


class Answerer(Protocol):
    """Asks the model of one call, and makes of what it says an answer to the exchange.

    The account is settled before the last byte goes out; whatever else ends the answer, the relay
    settles it.
    """

    @property
    def usage(self) -> Usage | None:
        """What the engine has counted so far."""

    async def answer(self, exchange: Exchange, line: Line, account: Account) -> None:
        """Answers the exchange.

        Raises:
            GatewayError: the model cannot be reached, refuses or fails.
            BrokenOffError: it breaks off.
        """


class Relay:
    """Lets calls be answered; one for the whole gateway. `clock` gives seconds since the epoch."""

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

    async def run(self, exchange: Exchange, call: Call, answerer: Answerer) -> None:
        """Has the exchange answered, and counted; a client that leaves cancels the model.

        Raises:
            TokenSupersededError: the caller's rights were taken back, before or meanwhile.
            GatewayError: the model cannot be reached or breaks off; the caller ends the exchange.
        """
        running = self._running.enter(call.claims)
        event = _event(call, exchange, now=self._clock())
        account = Account(event, self._spool, started=call.started)
        try:
            await self._carry(exchange, call, answerer=answerer, account=account)
        except asyncio.CancelledError:
            if running.is_superseded and not exchange.is_gone:
                running.task.uncancel()
                account.settle("superseded", TokenSupersededError().status, answerer.usage)
                raise TokenSupersededError(reason="revoked while it was answered") from None
            account.settle("aborted", CLIENT_LEFT, answerer.usage)
            raise
        except GatewayError as error:
            is_refusal = isinstance(error, RefusedByModelError)
            account.settle(
                "refused_by_model" if is_refusal else "failed", error.status, answerer.usage
            )
            raise
        finally:
            self._running.leave(running)
            account.settle("failed", GatewayError().status, answerer.usage)
            self._tell(call, account, request_id=exchange.request_id)

    async def _carry(
        self, exchange: Exchange, call: Call, *, answerer: Answerer, account: Account
    ) -> None:
        line = Line(self._forwarder, call.upstream)
        exchange.watch_client()
        try:
            # One timer for the whole answer: one at every read would cost something at every chunk.
            async with asyncio.timeout(self._longest_answer_s):
                await answerer.answer(exchange, line, account)
        except (BrokenOffError, TimeoutError) as cause:
            reason = f"{call.upstream.ref} broke off: {type(cause).__name__}: {cause}"
            raise ModelUnavailableError(reason=reason) from cause
        finally:
            exchange.forget_client()
            line.hang_up()

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


def is_worth_retrying(error: GatewayError) -> bool:
    """Whether a client should be told to come back in a few seconds."""
    return error.status in {429, 503} and error.code is not Code.GATEWAY_TOO_OLD
