"""What every socket has: a line that is written to in time, and an end that all of it shares."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from typing import Any

import structlog
from litestar import WebSocket
from litestar.datastructures import Headers
from litestar.exceptions import WebSocketDisconnect
from litestar.serialization import encode_json

from appliance.graphql.errors import LineOverError

# RFC 6455, 7.4.1, and its registry.
NORMAL_CLOSURE = 1000
FAULT_CLOSURE = 1011
RESTART_CLOSURE = 1012
TRY_AGAIN_CLOSURE = 1013

_log = structlog.get_logger()


class Line:
    """An open socket; who takes nothing for `within_s` seconds has left it."""

    def __init__(self, socket: WebSocket[Any, Any, Any], *, within_s: float) -> None:
        self._socket = socket
        self._within_s = within_s
        # Answers and pings are written by several tasks.
        self._lock = asyncio.Lock()
        self._is_closed = False

    @property
    def headers(self) -> Headers:
        """What the client said when it opened the socket."""
        return self._socket.headers

    async def send(self, frame: Mapping[str, Any]) -> None:
        """Sends a frame of JSON.

        Raises:
            LineOverError: nobody is there, or nobody takes it.
        """
        text = encode_json(frame).decode()
        async with self._lock:
            if self._is_closed:
                raise LineOverError
            await self._in_time(self._socket.send_text(text))

    async def close(self, code: int, reason: str = "") -> None:
        """Says goodbye, unless that was said.

        Raises:
            LineOverError: nobody is there, or nobody takes it.
        """
        async with self._lock:
            if not self._is_closed:
                self._is_closed = True
                await self._in_time(self._socket.close(code, reason))

    async def _in_time(self, sending: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self._within_s):
                await sending
        except (OSError, WebSocketDisconnect) as gone:
            # A timeout is an OSError as well, and so is what the server says of who has left.
            self._is_closed = True
            raise LineOverError from gone

    async def frames(self) -> AsyncGenerator[str | None, None]:
        """What is said on the other side, as it comes; None: it is no text.

        Raises:
            LineOverError: nobody is there any more; there is no other end.
        """
        while True:
            try:
                event: Any = await self._socket.receive()
            except WebSocketDisconnect as gone:
                raise LineOverError from gone
            if event["type"] != "websocket.receive":
                raise LineOverError
            yield event.get("text")

    async def live(self, life: Callable[[asyncio.TaskGroup], Awaitable[None]]) -> None:
        """Runs `life`, and all that it has started, until one of them finds the line over."""
        try:
            async with asyncio.TaskGroup() as group:
                await life(group)
        except* LineOverError:
            pass
        except* Exception as faults:  # noqa: BLE001  # an edge: nobody else would log it
            _log.error("socket_failed", exc_info=faults)
            await self._drop()

    async def _drop(self) -> None:
        try:
            await self.close(FAULT_CLOSURE)
        except LineOverError:
            return
