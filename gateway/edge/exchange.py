"""One HTTP request and its answer, straight on ASGI: the request path has no room for more."""

import asyncio
import re
import secrets
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from typing import Any, cast

from litestar.types import Receive, Scope, Send

from gateway.errors import RequestTooLargeError

Header = tuple[bytes, bytes]

_REQUEST_ID = re.compile(rb"[A-Za-z0-9._-]{1,128}")
_JSON = b"application/json"


class Exchange:
    """Reads the request, writes the answer, and notices a client that leaves.

    `peer` is the host of the connection's other end, empty when there is none. Header names are
    lower case; a repeated header is one list (RFC 9110, 5.2), so that two tokens
    are none.
    """

    __slots__ = (
        "_receive",
        "_send",
        "_watcher",
        "headers",
        "is_gone",
        "method",
        "path",
        "peer",
        "request_id",
        "status",
    )

    def __init__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self._receive = receive
        # Coroutines, which can be begun by hand; ASGI's type says awaitables.
        self._send = cast("Callable[[Any], Coroutine[Any, Any, None]]", send)
        self.method: str = scope["method"]  # type: ignore[typeddict-item]  # HTTP scopes only
        self.path: str = scope["path"]
        client = scope.get("client")
        self.peer = client[0] if client else ""
        lines = cast("list[Header]", scope["headers"])
        self.headers: dict[bytes, bytes] = dict(lines)
        if len(self.headers) != len(lines):
            self.headers = _joined(lines)
        given = self.headers.get(b"x-request-id", b"")
        self.request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8).encode()
        self.is_gone = False
        self.status = 0
        self._watcher: asyncio.Task[None] | None = None

    async def read_body(self, *, limit_bytes: int) -> bytes:
        """The whole body.

        Raises:
            RequestTooLargeError: it is over the limit; noticed before it is read where declared.
        """
        declared = self.headers.get(b"content-length", b"")
        if declared.isdigit() and int(declared) > limit_bytes:
            raise _too_large(limit_bytes)
        parts: list[bytes] = []
        size = 0
        while True:
            message = await self._receive()
            if message["type"] == "http.disconnect":
                self.is_gone = True
                raise asyncio.CancelledError
            part: bytes = message["body"]  # type: ignore[typeddict-item]  # an http.request message
            size += len(part)
            if size > limit_bytes:
                raise _too_large(limit_bytes)
            parts.append(part)
            if not message.get("more_body"):
                return part if len(parts) == 1 else b"".join(parts)

    def watch_client(self) -> None:
        """Cancels the current task once the client leaves; call `forget_client` in time.

        In time is before the last byte is sent: the server says "gone" after that as well.
        """
        current = asyncio.current_task()
        assert current is not None  # noqa: S101  # always inside a server's task
        self._watcher = asyncio.get_running_loop().create_task(self._watch(current))

    def forget_client(self) -> None:
        """Ends the watch; nothing happens if there is none."""
        if self._watcher is not None:
            self._watcher.cancel()
            self._watcher = None

    async def _watch(self, current: asyncio.Task[object]) -> None:
        message = await self._receive()
        if message["type"] == "http.disconnect":
            self.is_gone = True
            current.cancel()

    async def start(self, status: int, content_type: bytes, extra: Iterable[Header] = ()) -> None:
        """Sends the status and headers of an answer."""
        self.status = status
        await self._send(
            {
                "type": "http.response.start",
                "status": status,
                "headers": [
                    (b"content-type", content_type),
                    (b"x-request-id", self.request_id),
                    *extra,
                ],
            }
        )

    def push(self, chunk: bytes) -> Awaitable[None] | None:
        """Sends a part of the body; None when it is on its way, else what to await.

        Not a coroutine, and not only in a task: this is called for every token of every stream,
        and the server takes a part at once unless the client is slow.
        """
        sending = self._send({"type": "http.response.body", "body": chunk, "more_body": True})
        try:
            waiting = sending.send(None)
        except StopIteration:
            return None
        return _rest_of(sending, waiting)

    async def end(self, chunk: bytes = b"") -> None:
        """Sends the last part of the body."""
        await self._send({"type": "http.response.body", "body": chunk, "more_body": False})

    async def answer(
        self,
        status: int,
        body: bytes,
        *,
        content_type: bytes = _JSON,
        extra: Iterable[Header] = (),
    ) -> None:
        """Sends a whole answer."""
        length = (b"content-length", str(len(body)).encode())
        await self.start(status, content_type, (length, *extra))
        await self.end(body)


def _joined(lines: Iterable[Header]) -> dict[bytes, bytes]:
    joined: dict[bytes, bytes] = {}
    for name, value in lines:
        joined[name] = joined[name] + b", " + value if name in joined else value
    return joined


@types.coroutine
def _rest_of(sending: Coroutine[Any, Any, None], waiting: Any) -> Generator[Any, Any, None]:
    """Goes on with a coroutine that was begun outside of a task and waits for `waiting`."""
    try:
        yield waiting
    except BaseException as cause:
        sending.throw(cause)
        raise
    yield from sending


def _too_large(limit_bytes: int) -> RequestTooLargeError:
    return RequestTooLargeError(message=f"The body is over the limit of {limit_bytes} bytes.")
