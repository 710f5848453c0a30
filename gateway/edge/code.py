"""GitLab's surface for code: so far, tokens with which a GitLab's users call directly."""

from collections.abc import Callable

import msgspec
from litestar.types import Receive, Scope, Send

from gateway.edge.admitting.gate import Gate
from gateway.edge.boundary import Boundary
from gateway.edge.exchange import Exchange
from gateway.edge.metrics import Metrics
from gateway.errors import (
    GatewayError,
    InvalidTokenError,
    MethodNotAllowedError,
    RouteNotFoundError,
)
from gateway.issuer.tokens.user_tokens import UserTokenKey
from gateway.policy.routes import ROUTES

USER_ACCESS_TOKEN = "/v1/code/user_access_token"  # noqa: S105  # a path
PREFIX = "/v1/code"
SERVED = (("POST", USER_ACCESS_TOKEN),)


def error_body(error: GatewayError) -> bytes:
    """An error as GitLab reads it, with our stable code beside it."""
    body: dict[str, object] = {"detail": error.message, "code": error.code}
    if error.decision_id is not None:
        body["decision_id"] = error.decision_id
    return msgspec.json.encode(body)


class CodeSurface:
    """An ASGI application for everything below `/v1/code`.

    `key` None: no tokens are made here. `clock` gives seconds since the epoch.
    """

    def __init__(
        self,
        *,
        gate: Gate,
        key: UserTokenKey | None,
        metrics: Metrics,
        clock: Callable[[], float],
    ) -> None:
        self._gate = gate
        self._key = key
        self._clock = clock
        self._boundary = Boundary(metrics, error_body)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers one request; whatever goes wrong, in GitLab's form."""
        await self._boundary.run(Exchange(scope, receive, send), self._serve)

    async def _serve(self, exchange: Exchange) -> None:
        if exchange.path != USER_ACCESS_TOKEN or self._key is None:
            raise RouteNotFoundError
        if exchange.method != "POST":
            raise MethodNotAllowedError
        claims = await self._gate.admit(exchange.headers, ROUTES["POST", USER_ACCESS_TOKEN], "")
        if claims.use == "instance":
            raise InvalidTokenError(reason="no header names the user whom the token is for")
        token, ends = self._key.mint(claims, now=self._clock())
        body = msgspec.json.encode({"token": token, "expires_at": ends})
        await exchange.answer(200, body, extra=((b"cache-control", b"no-store"),))
