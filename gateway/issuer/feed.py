"""Follows the instance's feed: asks, verifies, keeps, and hands the models on."""

from collections.abc import Callable

import aiohttp
import msgspec
import structlog
from cryptography.exceptions import InvalidSignature

from gateway.contract.feed import (
    FEED_PATH,
    REPORT_PATH,
    SIGNATURE_CONTEXT,
    FeedDocument,
    Report,
    SignedFeed,
)
from gateway.errors import FeedRefusedError
from gateway.issuer.fetching import SUCCESS, TooLargeError, read_limited
from gateway.issuer.identity import Identity, decode
from gateway.issuer.known_models import KnownModel, open_models
from gateway.issuer.pins import Pin
from gateway.issuer.snapshot import SnapshotStore

SNAPSHOT = "feed"
MAX_FEED_BYTES = 64 * 1024 * 1024
REPORT_EVERY_S = 5.0

log = structlog.get_logger()


def read_feed(signed: SignedFeed, *, pin: Pin, gateway_id: str) -> FeedDocument:
    """The document inside, after checking who signed it and for whom.

    Raises:
        FeedRefusedError: not signed by the pinned instance, or meant for another gateway.
    """
    try:
        content = decode(signed.document)
        signature = decode(signed.signature)
        pin.verification_key().verify(signature, SIGNATURE_CONTEXT + content)
        document = msgspec.json.decode(content, type=FeedDocument)
    except InvalidSignature as cause:
        raise FeedRefusedError(reason="the feed's signature is not the instance's") from cause
    except ValueError as cause:
        raise FeedRefusedError(reason=f"the feed cannot be read: {cause}") from cause
    if document.instance_id != pin.instance_id or document.gateway_id != gateway_id:
        raise FeedRefusedError(reason="the feed is from another instance or for another gateway")
    return document


class FeedClient:
    """Keeps this gateway's copy of the instance's configuration up to date.

    `on_models` is called with every model whenever a document is taken over.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        pin: Pin,
        store: SnapshotStore,
        session: aiohttp.ClientSession,
        clock: Callable[[], float],
        on_models: Callable[[tuple[KnownModel, ...]], None],
    ) -> None:
        self._identity = identity
        self._pin = pin
        self._store = store
        self._session = session
        self._clock = clock
        self._on_models = on_models
        self._document: FeedDocument | None = None
        self._etag: str | None = None
        self._failed: str | None = None
        self._reported_at = float("-inf")

    @property
    def has_document(self) -> bool:
        """Whether any configuration is known, from now or from before."""
        return self._document is not None

    def restore(self) -> None:
        """Takes over the last good document of an earlier process."""
        stored = self._store.load(SNAPSHOT)
        if stored is not None:
            try:
                self._take(msgspec.json.decode(stored, type=SignedFeed))
            except (msgspec.DecodeError, FeedRefusedError) as error:
                log.warning("stored_feed_refused", reason=str(error))

    def _take(self, signed: SignedFeed) -> None:
        document = read_feed(signed, pin=self._pin, gateway_id=self._identity.gateway_id)
        known = self._document
        number = (document.epoch, document.sequence)
        if known is not None and number < (known.epoch, known.sequence):
            raise FeedRefusedError(reason="the feed is older than what is known")
        self._document = document
        self._on_models(open_models(document.models, self._identity, requires=document.requires))
        log.info("feed_taken_over", epoch=document.epoch, sequence=document.sequence)

    async def step(self, report: Callable[[int, int], Report]) -> None:
        """One question to the instance; a failure is logged once until it heals."""
        try:
            await self._ask()
            if self._document and self._clock() - self._reported_at >= REPORT_EVERY_S:
                await self._tell(report(self._document.epoch, self._document.sequence))
                self._reported_at = self._clock()
        except (aiohttp.ClientError, TimeoutError, FeedRefusedError) as error:
            failed = f"{type(error).__name__}: {error}"
            if self._failed is None:
                log.warning("feed_failed", reason=failed)
            self._failed = failed
        else:
            if self._failed is not None:
                log.info("feed_healed")
            self._failed = None

    def _headers(self) -> dict[str, str]:
        assertion = self._identity.assertion(instance_id=self._pin.instance_id, now=self._clock())
        return {"Authorization": f"Bearer {assertion}"}

    async def _ask(self) -> None:
        headers = self._headers()
        if self._etag is not None:
            headers["If-None-Match"] = self._etag
        url = self._pin.instance_url.rstrip("/") + FEED_PATH
        async with self._session.get(url, headers=headers, allow_redirects=False) as answer:
            if answer.status == 304:  # noqa: PLR2004  # Not Modified
                return
            body = await _read(answer)
            try:
                signed = msgspec.json.decode(body, type=SignedFeed)
            except msgspec.DecodeError as cause:
                raise FeedRefusedError(reason=f"the feed is not JSON: {cause}") from cause
            self._take(signed)
            self._etag = answer.headers.get("ETag")
        await self._store.save(SNAPSHOT, body)

    async def _tell(self, report: Report) -> None:
        url = self._pin.instance_url.rstrip("/") + REPORT_PATH
        headers = {**self._headers(), "Content-Type": "application/json"}
        body = msgspec.json.encode(report)
        async with self._session.post(
            url, data=body, headers=headers, allow_redirects=False
        ) as answer:
            await _read(answer)


async def _read(answer: aiohttp.ClientResponse) -> bytes:
    if answer.status not in SUCCESS:
        raise FeedRefusedError(reason=f"the instance answered {answer.status}")
    try:
        return await read_limited(answer, limit_bytes=MAX_FEED_BYTES)
    except TooLargeError as cause:
        raise FeedRefusedError(reason="the feed is too large") from cause
