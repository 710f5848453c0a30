"""Brings the spool to the instance, in order, until it says that it has it."""

import asyncio
from collections.abc import Callable

import aiohttp
import msgspec
import structlog

from gateway.contract.events import EVENTS_PATH, Batch, Receipt
from gateway.errors import GatewayError
from gateway.issuer.fetching import SUCCESS, TooLargeError, read_limited
from gateway.issuer.identity import Identity
from gateway.issuer.pins import Pin
from gateway.issuer.spool.spool import Spool

# What an instance says of a batch that it will not take however often it comes.
POISON = frozenset({400, 413, 422})
MAX_RECEIPT_BYTES = 1024 * 1024
TIMEOUT = aiohttp.ClientTimeout(total=30)
FIRST_PAUSE_S = 1.0
LONGEST_PAUSE_S = 30.0

log = structlog.get_logger()


class ShippingFailedError(GatewayError):
    """The instance did not take a batch now; it may later."""


class BatchRefusedError(GatewayError):
    """The instance will never take this batch as it is."""


class Shipper:
    """Posts batches; a failure is logged once until it heals, and nothing is lost by it."""

    def __init__(
        self,
        spool: Spool,
        *,
        identity: Identity,
        pin: Pin,
        session: aiohttp.ClientSession,
        clock: Callable[[], float],
    ) -> None:
        self._spool = spool
        self._identity = identity
        self._pin = pin
        self._session = session
        self._clock = clock
        self._failures = 0
        self._not_before = float("-inf")

    async def step(self) -> None:
        """Ships everything there is, unless a failure is too fresh to try again."""
        loop = asyncio.get_running_loop()
        if loop.time() < self._not_before:
            return
        try:
            while self._spool.has_news:
                await self._ship_chunk()
        except (aiohttp.ClientError, TimeoutError, TooLargeError, ShippingFailedError) as error:
            pause_s = min(LONGEST_PAUSE_S, FIRST_PAUSE_S * 2**self._failures)
            self._not_before = loop.time() + pause_s
            if not self._failures:
                log.warning("usage_shipping_failed", reason=f"{type(error).__name__}: {error}")
            self._failures = min(self._failures + 1, 10)
            return
        if self._failures:
            log.info("usage_shipping_healed", pending=self._spool.pending)
            self._failures = 0
        self._spool.retire()

    async def _ship_chunk(self) -> None:
        chunk = await asyncio.to_thread(self._spool.reader())
        if chunk.events or chunk.decisions:
            await self._deliver(Batch(events=chunk.events, decisions=chunk.decisions))
        await asyncio.to_thread(self._spool.advance(chunk))

    async def _deliver(self, batch: Batch) -> None:
        try:
            receipt = await self._post(batch)
        except BatchRefusedError as error:
            halves = _halves(batch)
            if not halves:
                await self._give_up(batch, reason=str(error))
            for half in halves:
                await self._deliver(half)
            return
        for refused in receipt.refused:
            log.warning(
                "usage_event_refused", event_id=refused.event_id, reason=refused.reason[:200]
            )

    async def _give_up(self, batch: Batch, *, reason: str) -> None:
        try:
            await self._post(Batch())
        except BatchRefusedError as cause:
            # Not even an empty one is taken, so it is not this event that is at fault.
            raise ShippingFailedError(reason=reason) from cause
        self._spool.dropped += 1
        ids = [each.event_id for each in batch.events]
        ids += [each.decision_id for each in batch.decisions]
        log.error("usage_event_given_up", ids=ids, reason=reason)

    async def _post(self, batch: Batch) -> Receipt:
        assertion = self._identity.assertion(instance_id=self._pin.instance_id, now=self._clock())
        async with self._session.post(
            self._pin.instance_url.rstrip("/") + EVENTS_PATH,
            data=msgspec.json.encode(batch),
            headers={"Authorization": f"Bearer {assertion}", "Content-Type": "application/json"},
            allow_redirects=False,
            timeout=TIMEOUT,
        ) as answer:
            reason = f"the instance answered {answer.status}"
            if answer.status in POISON:
                raise BatchRefusedError(reason=reason)
            if answer.status not in SUCCESS:
                raise ShippingFailedError(reason=reason)
            body = await read_limited(answer, limit_bytes=MAX_RECEIPT_BYTES)
        try:
            return msgspec.json.decode(body, type=Receipt)
        except msgspec.DecodeError as cause:
            raise ShippingFailedError(reason="the instance's receipt is not one") from cause


def _halves(batch: Batch) -> tuple[Batch, ...]:
    """The batch in two, so that one bad event does not hold the others up; empty for a single."""
    events, decisions = batch.events, batch.decisions
    if len(events) + len(decisions) <= 1:
        return ()
    if events and decisions:
        return Batch(events=events), Batch(decisions=decisions)
    middle = (len(events) + len(decisions)) // 2
    return (
        Batch(events=events[:middle], decisions=decisions[:middle]),
        Batch(events=events[middle:], decisions=decisions[middle:]),
    )
