"""Publishes the models that this gateway brings, to anyone; instances read them regularly."""

from collections.abc import Callable

from litestar.types import Receive, Scope, Send

from gateway.contract.definitions import DEFINITIONS_PATH
from gateway.edge.boundary import Boundary
from gateway.edge.code import error_body
from gateway.edge.exchange import Exchange, Header
from gateway.edge.metrics import Metrics
from gateway.errors import MethodNotAllowedError
from gateway.upstream.own.own_models import Brought

SERVED = (("GET", DEFINITIONS_PATH),)

_JSON = b"application/json"
_CACHE: Header = (b"cache-control", b"public, max-age=60")


class DefinitionsSurface:
    """An ASGI application for one path; `brought` gives what is to be published now.

    Servers decode `%2F` before they hand a path on, so `/v1/models%2Fdefinitions` is that path.
    """

    def __init__(self, brought: Callable[[], Brought], metrics: Metrics) -> None:
        self._brought = brought
        self._boundary = Boundary(metrics, error_body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; whatever goes wrong, in GitLab's form."""
        await self._boundary.run(Exchange(scope, receive, send), self._serve)

    async def _serve(self, exchange: Exchange) -> None:
        if exchange.method != "GET":
            raise MethodNotAllowedError
        brought = self._brought()
        extra = ((b"etag", brought.etag), _CACHE)
        if is_known(exchange.headers.get(b"if-none-match", b""), brought.etag):
            await exchange.start(304, _JSON, extra)
            await exchange.end()
        else:
            await exchange.answer(200, brought.document, extra=extra)


def is_known(if_none_match: bytes, etag: bytes) -> bool:
    """Whether the header of a request names the ETag; weakly compared (RFC 9110, 13.1.2)."""
    told = (each.strip().removeprefix(b"W/") for each in if_none_match.split(b","))
    return any(each in {etag, b"*"} for each in told)
