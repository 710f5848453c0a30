"""Passes what a model answers on as it comes: for clients that speak the model's own protocol."""

import time
from collections.abc import Awaitable

from gateway.edge.calls.account import Account
from gateway.edge.calls.relay import Line
from gateway.edge.exchange import Exchange, Header
from gateway.upstream.connection import Connection
from gateway.upstream.usage import ENDS, Usage, UsageTap, usage_of

STREAM_HEADERS: tuple[Header, ...] = (
    (b"cache-control", b"no-cache"),
    (b"x-accel-buffering", b"no"),
)
_EVENT_STREAM = b"text/event-stream"
_JSON = b"application/json"


class Passing:
    """One question, and its answer byte for byte.

    `path` is below the endpoint's base URL. The engine is always asked for usage; `wants_usage`
    says whether the client asked as well.
    """

    __slots__ = ("_body", "_path", "_stream", "_tap")

    def __init__(self, path: str, body: bytes, *, stream: bool, wants_usage: bool) -> None:
        self._path = path
        self._body = body
        self._stream = stream
        self._tap = UsageTap(strip=not wants_usage)

    @property
    def usage(self) -> Usage | None:
        """What the engine has counted so far."""
        return self._tap.usage

    async def answer(self, exchange: Exchange, line: Line, account: Account) -> None:
        """Answers the exchange."""
        answer = await line.ask(self._path, self._body)
        if self._stream and is_event_stream(answer):
            await _stream(exchange, answer, tap=self._tap, account=account)
        else:
            await _whole(exchange, answer, account=account)


def is_event_stream(answer: Connection) -> bool:
    """Whether an endpoint answers event by event, as it was asked to."""
    return answer.content_type.partition(b";")[0].strip().lower() == _EVENT_STREAM


async def _whole(exchange: Exchange, answer: Connection, *, account: Account) -> None:
    body = await answer.read()
    exchange.forget_client()
    # On disk before the client has it: what was answered is counted, whenever we are killed.
    account.settle("answered", answer.status, usage_of(body))
    await exchange.answer(answer.status, body, content_type=answer.content_type or _JSON)


async def _stream(
    exchange: Exchange, answer: Connection, *, tap: UsageTap, account: Account
) -> None:
    await exchange.start(answer.status, answer.content_type, STREAM_HEADERS)

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
