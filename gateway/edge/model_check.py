"""Tries a model's endpoint for the instance, which cannot reach one itself."""

from collections.abc import Awaitable, Callable

import msgspec
from litestar.types import Receive, Scope, Send

from gateway.contract.probing import (
    CHECK_PATH,
    MAX_CHECK_BYTES,
    Finding,
    ModelCheck,
    ModelChecked,
)
from gateway.edge.admitting.gate import Gate
from gateway.edge.boundary import Boundary
from gateway.edge.code import error_body
from gateway.edge.exchange import Exchange
from gateway.edge.metrics import Metrics
from gateway.errors import InvalidRequestError, MethodNotAllowedError, UnsupportedMediaTypeError
from gateway.policy.routes import ROUTES

SERVED = (("POST", CHECK_PATH),)

Probe = Callable[[ModelCheck], Awaitable[tuple[Finding, ...]]]

_check = msgspec.json.Decoder(ModelCheck)


def parse_check(body: bytes) -> ModelCheck:
    """Reads what is to be tried; nothing of it is repeated in an error.

    Raises:
        InvalidRequestError: it is none, or the API key could not stand in a header.
    """
    try:
        wish = _check.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as cause:
        message = "The body must be a JSON object with 'endpoint' and 'identifier' in it, as text."
        raise InvalidRequestError(message=message) from cause
    api_key = wish.api_key or ""
    if not (api_key.isascii() and api_key.isprintable()) or " " in api_key:
        message = "'api_key' must be visible ASCII characters."
        raise InvalidRequestError(message=message, param="api_key")
    return wish


class ModelCheckSurface:
    """An ASGI application for one path."""

    def __init__(self, gate: Gate, probe: Probe, metrics: Metrics) -> None:
        self._gate = gate
        self._probe = probe
        self._boundary = Boundary(metrics, error_body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; whatever goes wrong, in GitLab's form."""
        await self._boundary.run(Exchange(scope, receive, send), self._serve)

    async def _serve(self, exchange: Exchange) -> None:
        if exchange.method != "POST":
            raise MethodNotAllowedError
        await self._gate.admit(exchange.headers, ROUTES["POST", CHECK_PATH], "")
        content_type = exchange.headers.get(b"content-type", b"")
        if not content_type.lower().startswith(b"application/json"):
            raise UnsupportedMediaTypeError
        wish = parse_check(await exchange.read_body(limit_bytes=MAX_CHECK_BYTES))
        # Who gives up does not keep a connection to the model's server open.
        exchange.watch_client()
        try:
            findings = await self._probe(wish)
        finally:
            exchange.forget_client()
        body = msgspec.json.encode(ModelChecked(findings=findings))
        await exchange.answer(200, body, extra=((b"cache-control", b"no-store"),))
