"""Where a request ends, however it went: every surface answers refusals through here."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from gateway.edge.calls.relay import is_worth_retrying
from gateway.edge.exchange import Exchange, Header
from gateway.edge.metrics import Metrics
from gateway.errors import GatewayError, InvalidTokenError

_RETRY_AFTER: Header = (b"retry-after", b"5")
_CHALLENGE: Header = (b"www-authenticate", b"Bearer")

log = structlog.get_logger()


class Boundary:
    """Answers one request after the other; `error_body` writes an error as the surface does.

    With `is_cut_short` an answer that has begun has no place for an error: the connection is broken
    off, which no client can take for an end.
    """

    def __init__(
        self,
        metrics: Metrics,
        error_body: Callable[[GatewayError], bytes],
        *,
        is_cut_short: bool = False,
    ) -> None:
        self._metrics = metrics
        self._is_cut_short = is_cut_short
        self._error_body = error_body

    async def run(self, exchange: Exchange, serve: Callable[[Exchange], Awaitable[None]]) -> None:
        """Lets `serve` answer; what it raises becomes the answer."""
        self._metrics.in_flight.inc()
        try:
            await serve(exchange)
        except GatewayError as error:
            await self._refuse(exchange, error)
        except asyncio.CancelledError:
            if not exchange.is_gone:
                raise
        except Exception:  # the boundary of the process: nothing may escape without an answer
            log.exception("request_failed", request_id=exchange.request_id.decode())
            await self._refuse(exchange, GatewayError())
        finally:
            self._metrics.in_flight.dec()

    async def _refuse(self, exchange: Exchange, error: GatewayError) -> None:
        log.info(
            "request_refused",
            request_id=exchange.request_id.decode(),
            path=exchange.path[:200],
            code=error.code,
            reason=error.reason,
            decision_id=error.decision_id,
        )
        self._metrics.refusals.labels(error.code).inc()
        if exchange.status:
            if self._is_cut_short:
                return
            # The answer has begun; all that is left is to end it.
            await exchange.end(b"data: " + self._error_body(error) + b"\n\n")
            return
        extra: tuple[Header, ...] = ()
        if isinstance(error, InvalidTokenError):
            extra = (_CHALLENGE,)
        elif is_worth_retrying(error):
            extra = (_RETRY_AFTER,)
        await exchange.answer(error.status, self._error_body(error), extra=extra)
