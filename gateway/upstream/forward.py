"""Sends a request to a model's endpoint and judges its answer."""

import msgspec

from gateway.errors import (
    GatewayError,
    GatewayTooOldError,
    ModelBusyError,
    ModelUnavailableError,
    RefusedByModelError,
    UpstreamFailedError,
)
from gateway.upstream.client import Client
from gateway.upstream.connection import BrokenOffError, Connection
from gateway.upstream.models import Replica, Upstream

# What an endpoint answers when it is away or being replaced; another try may help.
AWAY = frozenset({502, 503, 504})

# What says that the gateway's own address, API key or identifier is wrong; never the caller's.
MISCONFIGURED = frozenset({401, 403, 404, 405, 407})
BUSY = 429
CALLERS_FAULT = range(400, 500)
SUCCESS = range(200, 300)
MAX_REFUSAL_BYTES = 64 * 1024
MAX_REASON_CHARS = 2000

# Who answers, and the answer as far as it has come.
Opened = tuple[Replica, Connection]


class _Refusal(msgspec.Struct):
    """The part of OpenAI's error object that is worth handing on."""

    message: str
    param: str | None = None


class _Refused(msgspec.Struct):
    error: _Refusal


class Forwarder:
    """Opens requests to upstreams over the guarded client."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def open(self, upstream: Upstream, path: str, body: bytes) -> Opened:
        """The answer of an endpoint, its body unread; the caller must `close` it.

        Raises:
            ModelUnavailableError: no connection, or an answer that says "away", of two endpoints if
                there is another one that is ready.
            ModelBusyError: it has too much to do, or is asked as much at once as it may be.
            RefusedByModelError: the request itself is at fault; with the model's own words.
            UpstreamFailedError: the endpoint refuses us or fails.
            GatewayTooOldError: the model carries a restriction that this release does not know.
        """
        if not upstream.is_understood:
            raise GatewayTooOldError(reason=f"the model {upstream.ref} requires something unknown")
        in_flight = upstream.load.in_flight
        if 0 < upstream.max_in_flight <= in_flight:
            raise ModelBusyError(reason=f"{upstream.ref} is asked {in_flight} things already")
        replica = upstream.next_replica()
        try:
            return await self._ask(upstream, replica, path=path, body=body)
        except ModelUnavailableError as error:
            # What ended an endpoint that took the request may be the request.
            is_away = not isinstance(error.__cause__, BrokenOffError)
            other = upstream.other_replica(replica) if is_away else None
            if other is None:
                raise
        return await self._ask(upstream, other, path=path, body=body)

    async def _ask(self, upstream: Upstream, replica: Replica, *, path: str, body: bytes) -> Opened:
        load = upstream.load
        load.in_flight += 1
        replica.in_flight += 1
        try:
            answer = await self._client.ask(replica.origin, replica.question(path, body))
        except BaseException as cause:  # also a cancelled task
            load.in_flight -= 1
            replica.in_flight -= 1
            if isinstance(cause, OSError | TimeoutError):
                # The next probe is seconds away, and each request until then would wait as long.
                replica.note("unreachable")
            elif not isinstance(cause, BrokenOffError):
                raise
            reason = f"{upstream.ref}: {type(cause).__name__}: {cause}"
            raise ModelUnavailableError(reason=reason) from cause
        if answer.status in SUCCESS:
            return replica, answer
        try:
            raise await _refusal(upstream, answer)
        finally:
            self.close(upstream, replica, answer)

    def close(self, upstream: Upstream, replica: Replica, answer: Connection) -> None:
        """Frees the model at once if it is still answering; else keeps the connection."""
        upstream.load.in_flight -= 1
        replica.in_flight -= 1
        self._client.take_back(replica.origin, answer)


async def _refusal(upstream: Upstream, answer: Connection) -> GatewayError:
    reason = f"the endpoint of {upstream.ref} answered {answer.status}"
    if answer.status in AWAY:
        return ModelUnavailableError(reason=reason)
    if answer.status == BUSY:
        return ModelBusyError(reason=reason)
    if answer.status in MISCONFIGURED or answer.status not in CALLERS_FAULT:
        failure = UpstreamFailedError(reason=reason)
        failure.answered = answer.status
        return failure
    said = await _refused(answer)
    refusal = RefusedByModelError(
        message=said.message[:MAX_REASON_CHARS] if said else None,
        reason=reason,
        param=said.param if said else None,
    )
    refusal.answered = answer.status
    return refusal


async def _refused(answer: Connection) -> _Refusal | None:
    try:
        body = await answer.read(limit_bytes=MAX_REFUSAL_BYTES)
        return msgspec.json.decode(body, type=_Refused).error
    except (BrokenOffError, msgspec.DecodeError):
        return None
