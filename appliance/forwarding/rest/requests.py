"""`POST /api/v4/ai/requests`: the way through the instance, streamed as it comes."""

import asyncio
from collections.abc import Callable, Sequence
from datetime import datetime
from http import HTTPStatus
from typing import Any
from uuid import uuid4

import aiohttp
import structlog
from litestar import Request, post
from litestar.di import NamedDependency
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.types import Receive, Scope, Send

from appliance.access_tokens.usecases import Minter, presented_token
from appliance.accounts.rules import Access
from appliance.forwarding import rules, usecases
from appliance.forwarding.rules import Incoming, Onward
from appliance.instance_settings.rules import Addresses
from appliance.outbound import Outbound
from appliance.storage.engine import Db
from gateway.contract import headers
from gateway.contract.addresses import Network

Clock = Callable[[], datetime]
PATH = "/api/v4/ai/requests"

_log = structlog.get_logger()


class Relayed:
    """An ASGI application that hands one request on and its answer back, part by part.

    A part is read only once the one before was taken, and a client that leaves ends the request at
    the gateway at once.
    """

    def __init__(
        self, outbound: Outbound, onward: Onward, *, path: str, body: bytes, sent: dict[str, str]
    ) -> None:
        self._outbound = outbound
        self._onward = onward
        self._url = onward.gateway_url + path
        self._body = body
        self._sent = sent
        self._is_answered = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers; what fails before there is a head is raised, what fails later breaks it off.

        Raises:
            UnreachableError: the gateway does not answer.
        """
        del scope
        passing = asyncio.ensure_future(self._pass_on(send))
        leaving = asyncio.ensure_future(_until_gone(receive))
        try:
            await asyncio.wait({passing, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            passing.cancel()
            leaving.cancel()
            await asyncio.wait({passing, leaving})
        if not passing.cancelled():
            passing.result()
        elif not self._is_answered:
            _log.info("client_left")

    async def _pass_on(self, send: Send) -> None:
        silence_s = self._onward.silence_s
        async with self._outbound.post(
            self._url, self._body, headers=self._sent, silence_s=silence_s
        ) as answer:
            await send(
                {
                    "type": "http.response.start",
                    "status": answer.status,
                    "headers": rules.handed_back(answer.headers),
                }
            )
            try:
                async for part in answer.content.iter_any():
                    await send({"type": "http.response.body", "body": part, "more_body": True})
            except (aiohttp.ClientError, TimeoutError) as error:
                # Without a last part the server cuts the connection, so that nobody can take half
                # an answer for a whole one.
                _log.warning("answer_broke_off", kind=type(error).__name__)
                return
            self._is_answered = True
            await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _handler(*, max_body_bytes: int, trusted_proxies: Sequence[Network]) -> HTTPRouteHandler:
    @post(PATH, opt={"access": Access.TOKEN}, request_max_body_size=max_body_bytes)
    async def forward(
        *,
        request: Request[Any, Any, Any],
        db: NamedDependency[Db],
        minter: NamedDependency[Minter],
        told: NamedDependency[Addresses],
        outbound: NamedDependency[Outbound],
        clock: NamedDependency[Clock],
    ) -> Relayed:
        """Hands the question on to the gateway for the user of the access token."""
        token = presented_token(request.headers.get("authorization"))
        if not request.headers.get("content-type", "").lower().startswith("application/json"):
            raise HTTPException(status_code=HTTPStatus.UNSUPPORTED_MEDIA_TYPE)
        incoming = Incoming(
            token=token,
            client_ip=rules.address_of_client(request.scope, trusted_proxies),
            jti=uuid4(),
        )
        onward = await db.read(
            lambda session: usecases.prepare(
                session, incoming, minter=minter, told=told, now=clock()
            )
        )
        body = await request.body()
        sent = rules.onward_headers(
            onward,
            unit_primitive=request.headers.get(headers.UNIT_PRIMITIVE),
            request_id=str(structlog.contextvars.get_contextvars().get("request_id", "")),
        )
        return Relayed(outbound, onward, path=rules.path_of(body), body=body, sent=sent)

    return forward


def handlers(
    *, max_body_bytes: int, trusted_proxies: Sequence[Network]
) -> tuple[HTTPRouteHandler, ...]:
    """The one handler; what it takes is the settings' to say."""
    return (_handler(max_body_bytes=max_body_bytes, trusted_proxies=trusted_proxies),)
