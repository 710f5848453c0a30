"""Follows the feed over HTTP: one stream held open, or questions to an older instance."""

import asyncio
import secrets
from collections.abc import Callable
from contextlib import aclosing
from datetime import timedelta
from email.utils import parsedate_to_datetime

import aiohttp
import structlog

from gateway.contract.claims import LEEWAY_S
from gateway.contract.feed import FEED_PATH, SILENCE_S, STREAM_PATH
from gateway.errors import FeedRefusedError
from gateway.issuer.feed.feed import Feed, Told
from gateway.issuer.feed.state import Course
from gateway.issuer.fetching import SUCCESS, TooLargeError, lines, read_limited
from gateway.issuer.identity import Identity
from gateway.issuer.pins import Pin

# 100,000 groups that choose for each of 18 features are half of it.
MAX_FEED_BYTES = 256 * 1024 * 1024
# From here on a document costs milliseconds, which running answers would wait for.
LARGE_BYTES = 256 * 1024
# No longer than a revocation may take: an instance that is back is followed within it.
LONGEST_PAUSE_S = 1.0
FIRST_PAUSE_S = 0.05
# How often an older instance is asked whether it has become a newer one.
STREAM_AGAIN_S = 60.0
NOT_MODIFIED = 304
UNAUTHORIZED = 401
NOT_FOUND = 404

_SILENCE = aiohttp.ClientTimeout(total=None, sock_connect=SILENCE_S, sock_read=SILENCE_S)

log = structlog.get_logger()


class StreamEndedError(Exception):
    """The instance ended the stream."""


class NoStreamError(Exception):
    """The instance is one release older and has no stream."""


class FeedClient:
    """Brings what the instance says to `feed`; a failure is logged once until it heals."""

    def __init__(
        self,
        feed: Feed,
        *,
        identity: Identity,
        pin: Pin,
        session: aiohttp.ClientSession,
        clock: Callable[[], float],
        poll_every: timedelta,
    ) -> None:
        self._feed = feed
        self._identity = identity
        self._pin = pin
        self._session = session
        self._clock = clock
        self._poll_every_s = poll_every.total_seconds()
        self._polls_until = float("-inf")
        self._etag: str | None = None
        self._failures = 0
        self._is_failing = False

    async def step(self) -> None:
        """One stream until it breaks, or one question; returns when it is time for the next."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        try:
            await (self._poll() if began < self._polls_until else self._stream())
            self._failures = 0
        except NoStreamError:
            log.info("feed_polled", reason="the instance has no stream")
            self._polls_until = loop.time() + STREAM_AGAIN_S
            return
        except (aiohttp.ClientError, OSError, FeedRefusedError, StreamEndedError) as error:
            if loop.time() - began > SILENCE_S:
                self._failures = 0
            self._fail(error)
        await asyncio.sleep(self._pause_s())

    def _fail(self, error: Exception) -> None:
        if isinstance(error, FeedRefusedError):
            self._feed.forget_position()
        # A stream that ends and can be had again at once is no failure: each ends some time.
        if self._failures or not isinstance(error, StreamEndedError):
            if not self._is_failing:
                log.warning("feed_failed", reason=f"{type(error).__name__}: {error}")
            self._is_failing = True
        self._failures = min(self._failures + 1, 10)
        self._feed.is_connected = False

    def _pause_s(self) -> float:
        if not self._failures:
            return self._poll_every_s
        if self._failures == 1:
            return 0.0
        pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2.0**self._failures)
        # So that gateways that lost the instance together do not come back together.
        return pause_s * (0.5 + secrets.randbelow(500) / 1000)

    def _heal(self) -> None:
        self._feed.is_connected = True
        if self._is_failing:
            log.info("feed_healed")
        self._is_failing = False

    def _headers(self, jti: str) -> dict[str, str]:
        assertion = self._identity.assertion(
            instance_id=self._pin.instance_id, now=self._clock(), jti=jti
        )
        return {"Authorization": f"Bearer {assertion}"}

    def _url(self, path: str) -> str:
        return self._pin.instance_url.rstrip("/") + path

    async def _stream(self) -> None:
        stream = secrets.token_hex(16)
        course = Course(stream)
        asked = {}
        if self._feed.position is not None:
            asked = dict(zip(("epoch", "sequence"), self._feed.position, strict=True))
        async with self._session.get(
            self._url(STREAM_PATH),
            params=asked,
            headers=self._headers(stream),
            allow_redirects=False,
            timeout=_SILENCE,
        ) as answer:
            if answer.status == NOT_FOUND:
                raise NoStreamError
            self._check(answer)
            async with aclosing(lines(answer, limit_bytes=MAX_FEED_BYTES)) as documents:
                try:
                    async for line in documents:
                        self._feed.take(await self._read(line), course=course)
                        self._heal()
                except TooLargeError as cause:
                    raise FeedRefusedError(reason="the feed is too large") from cause
        raise StreamEndedError

    async def _poll(self) -> None:
        headers = self._headers(secrets.token_hex(16))
        if self._etag is not None and self._feed.has_document:
            headers["If-None-Match"] = self._etag
        async with self._session.get(
            self._url(FEED_PATH), headers=headers, allow_redirects=False, timeout=_SILENCE
        ) as answer:
            if answer.status == NOT_MODIFIED:
                self._feed.confirm()
            else:
                self._check(answer)
                try:
                    body = await read_limited(answer, limit_bytes=MAX_FEED_BYTES)
                except TooLargeError as cause:
                    raise FeedRefusedError(reason="the feed is too large") from cause
                self._feed.take(await self._read(body))
                self._etag = answer.headers.get("ETag")
        self._heal()

    async def _read(self, line: bytes) -> Told:
        if len(line) < LARGE_BYTES:
            return self._feed.read(line)
        return await asyncio.to_thread(self._feed.read, line)

    def _check(self, answer: aiohttp.ClientResponse) -> None:
        if answer.status in SUCCESS:
            return
        reason = f"the instance answered {answer.status}"
        if answer.status == UNAUTHORIZED:
            reason += f": {self._why_unauthorized(answer.headers.get('Date', ''))}"
        raise FeedRefusedError(reason=reason)

    def _why_unauthorized(self, date: str) -> str:
        try:
            skew_s = self._clock() - parsedate_to_datetime(date).timestamp()
        except ValueError:
            skew_s = 0.0
        if abs(skew_s) > LEEWAY_S:
            way = "ahead of" if skew_s > 0 else "behind"
            return f"this machine's clock is {abs(skew_s):.0f} s {way} the instance's; set it"
        return "it does not know this gateway any more; add it with `casemate gateways add`"
