"""One connection to an endpoint: HTTP/1.1 answers read by llhttp, one request at a time."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, cast

import httptools

# What an endpoint may say before its answer's body begins.
MAX_HEAD_BYTES = 64 * 1024
MAX_ANSWER_BYTES = 64 * 1024 * 1024
INTERIM = range(100, 200)

# How far the answer to the current request has come; plain numbers, as every part asks.
ASKED: Final = 0
HEAD: Final = 1
WHOLE: Final = 2

# Takes a part of a body; returns None when it is gone, else what to await before the next one.
Sink = Callable[[bytes], Awaitable[None] | None]


class BrokenOffError(Exception):
    """The endpoint went away or did not speak HTTP before its answer was whole."""


class TooLongError(BrokenOffError):
    """The answer is longer than anybody is willing to hold."""


class Connection(asyncio.Protocol):
    """Sends a request, then gives its answer whole or part by part.

    A body that is streamed goes to its sink inside the event loop's own call for the bytes that
    came: no task wakes for a part that the client takes at once. One that the client does not take
    stops the reading until it has.
    """

    __slots__ = (
        "_awaited",
        "_failure",
        "_head_bytes",
        "_held_bytes",
        "_is_dirty",
        "_is_framed",
        "_is_interim",
        "_keeps_alive",
        "_limit_bytes",
        "_loop",
        "_parser",
        "_parts",
        "_sink",
        "_stage",
        "_stalled",
        "_transport",
        "_waiter",
        "content_type",
        "idle_since",
        "status",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._parser = httptools.HttpResponseParser(self)
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._awaited = HEAD
        self._failure: BrokenOffError | None = None
        self._is_dirty = False
        self.idle_since = 0.0
        self._begin()
        self._stage = WHOLE

    def _begin(self) -> None:
        self._stage = ASKED
        self._parts: list[bytes] = []
        self._head_bytes = self._held_bytes = 0
        self._limit_bytes = MAX_ANSWER_BYTES
        self._is_framed = self._is_interim = self._keeps_alive = False
        self._sink: Sink | None = None
        self._stalled: Awaitable[None] | None = None
        self.status = 0
        self.content_type = b""

    @property
    def has_answered(self) -> bool:
        """Whether anything of an answer to the current request has come."""
        return self._stage != ASKED or self._head_bytes > 0

    @property
    def is_reusable(self) -> bool:
        """Whether another request may follow on this connection."""
        return (
            self._stage == WHOLE
            and self._keeps_alive
            and not self._is_dirty
            and self._failure is None
        )

    async def ask(self, request: bytes) -> None:
        """Sends a request; `status` and `content_type` are known when this returns.

        Raises:
            BrokenOffError: `has_answered` says whether the endpoint had begun to answer.
        """
        self._begin()
        if self._failure is None and self._transport is not None:
            self._transport.write(request)
        await self._until(HEAD)

    async def read(self, *, limit_bytes: int = MAX_ANSWER_BYTES) -> bytes:
        """The whole body.

        Raises:
            TooLongError: it is over the limit.
            BrokenOffError: it ended early.
        """
        self._limit_bytes = limit_bytes
        if self._held_bytes > limit_bytes:
            failure = TooLongError(f"the answer is over {limit_bytes} bytes")
            self._fail(failure)
            raise failure
        await self._until(WHOLE)
        parts = self._parts
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def stream(self, sink: Sink) -> None:
        """Hands each part of the body to `sink` as it comes; returns after the last one.

        Raises:
            BrokenOffError: the body ended early.
        """
        self._sink = sink
        self._hand_on()
        while True:
            if self._stalled is None:
                await self._until(WHOLE)
            if self._stalled is None:
                return
            stalled, self._stalled = self._stalled, None
            await stalled
            if self._transport is not None and not self._transport.is_closing():
                self._transport.resume_reading()

    def close(self) -> None:
        """Drops the connection at once; an endpoint that is still answering notices."""
        self._fail(BrokenOffError("the connection was given up"))

    async def _until(self, stage: int) -> None:
        while self._stage < stage and self._stalled is None:
            if self._failure is not None:
                raise self._failure
            self._awaited = stage
            self._waiter = self._loop.create_future()
            try:
                await self._waiter
            finally:
                self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, failure: BrokenOffError) -> None:
        if self._failure is None:
            self._failure = failure
        if self._transport is not None:
            self._transport.abort()
        self._wake()

    def _hand_on(self) -> None:
        parts = self._parts
        if not parts:
            return
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        self._held_bytes = 0
        assert self._sink is not None  # noqa: S101  # only called while there is one
        self._stalled = self._sink(data)
        if self._stalled is not None and self._transport is not None:
            self._transport.pause_reading()

    # What the transport calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Is connected."""
        # uvloop's transports are none of asyncio's classes.
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Reads on; a defect in the answer ends the connection."""
        if self._stage == WHOLE:
            self._fail(BrokenOffError("the endpoint spoke without being asked"))
            return
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            # Its text may repeat what the endpoint sent.
            self._fail(BrokenOffError(f"the answer is not HTTP: {type(error).__name__}"))
            return
        if self._stage == ASKED:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self._fail(TooLongError(f"the answer's head is over {MAX_HEAD_BYTES} bytes"))
            return
        if self._sink is not None:
            self._hand_on()
        if self._waiter is not None and (self._stage >= self._awaited or self._stalled is not None):
            self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Is gone; an answer without a length is whole with it."""
        if exc is None and self._stage == HEAD and not self._is_framed:
            self._stage = WHOLE
        self._transport = None
        said = f": {exc}" if exc else ""
        self._fail(BrokenOffError(f"the endpoint closed the connection{said}"))

    # What the parser calls.

    def on_message_begin(self) -> None:
        """An answer begins; a second one to the same request is nobody's."""
        if self._stage == WHOLE:
            self._is_dirty = True

    def on_header(self, name: bytes, value: bytes) -> None:
        """One header, or a trailer."""
        if self._stage != ASKED:
            return
        name = name.lower()
        if name == b"content-type":
            self.content_type = value
        elif name in {b"content-length", b"transfer-encoding"}:
            self._is_framed = True

    def on_headers_complete(self) -> None:
        """The head is whole, unless it announces another one."""
        status = self._parser.get_status_code()
        self._is_interim = status in INTERIM
        if not self._is_interim and self._stage == ASKED:
            self.status = status
            self._stage = HEAD

    def on_body(self, body: bytes) -> None:
        """A part of the body."""
        if self._stage != HEAD:
            return
        self._held_bytes += len(body)
        if self._held_bytes > self._limit_bytes:
            self._fail(TooLongError(f"the answer is over {self._limit_bytes} bytes"))
            return
        self._parts.append(body)

    def on_message_complete(self) -> None:
        """The answer is whole."""
        if self._is_interim or self._stage != HEAD:
            return
        self._stage = WHOLE
        self._keeps_alive = self._parser.should_keep_alive()
