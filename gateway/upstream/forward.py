"""Sends a request to a model's endpoint and judges its answer."""

from datetime import timedelta

import aiohttp
import structlog

from gateway.errors import GatewayTooOldError, ModelUnavailableError, UpstreamFailedError
from gateway.upstream.endpoints import Upstream

# What an endpoint answers when it is away or being replaced; another try may help.
AWAY = frozenset({502, 503, 504})

# What says that the gateway's own address, API key or identifier is wrong; never the caller's.
MISCONFIGURED = frozenset({401, 403, 404, 405, 407})
SERVER_ERRORS = range(500, 600)
REDIRECTS = range(300, 400)

log = structlog.get_logger()


class Forwarder:
    """Opens requests to upstreams over the one guarded client."""

    def __init__(self, session: aiohttp.ClientSession, *, longest_answer: timedelta) -> None:
        self._session = session
        # One timer for a whole answer: a limit on each read would set a new one at every chunk.
        self._timeout = aiohttp.ClientTimeout(
            total=longest_answer.total_seconds(), sock_connect=session.timeout.sock_connect
        )

    async def open(self, upstream: Upstream, path: str, body: bytes) -> aiohttp.ClientResponse:
        """The answer of the endpoint, its body unread; the caller must close or release it.

        Raises:
            ModelUnavailableError: no connection, or an answer that says "away".
            UpstreamFailedError: the endpoint refuses us or fails.
            GatewayTooOldError: the model carries a restriction that this release does not know.
        """
        if not upstream.is_understood:
            raise GatewayTooOldError(reason=f"the model {upstream.ref} requires something unknown")
        try:
            try:
                answer = await self._post(upstream, path, body)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as error:
                if isinstance(error, aiohttp.ClientConnectorError):
                    raise
                # An idle connection that the endpoint dropped as we took it: nothing was answered.
                answer = await self._post(upstream, path, body)
        except (aiohttp.ClientError, TimeoutError) as cause:
            reason = f"{upstream.ref}: {type(cause).__name__}: {cause}"
            raise ModelUnavailableError(reason=reason) from cause
        refusal = _judge(upstream, answer.status)
        if refusal is not None:
            answer.close()
            raise refusal
        return answer

    async def _post(self, upstream: Upstream, path: str, body: bytes) -> aiohttp.ClientResponse:
        return await self._session.post(
            upstream.url(path),
            data=body,
            headers=upstream.headers,
            allow_redirects=False,
            timeout=self._timeout,
        )


def _judge(upstream: Upstream, status: int) -> ModelUnavailableError | UpstreamFailedError | None:
    reason = f"the endpoint of {upstream.ref} answered {status}"
    if status in AWAY:
        return ModelUnavailableError(reason=reason)
    if status in MISCONFIGURED or status in SERVER_ERRORS or status in REDIRECTS:
        return UpstreamFailedError(reason=reason)
    return None
