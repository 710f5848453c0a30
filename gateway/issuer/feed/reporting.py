"""Tells the instance how this gateway is: every few seconds, and at once when its keys changed."""

from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import aiohttp
import msgspec
import structlog

from gateway.contract.feed import REPORT_PATH, SILENCE_S, Report
from gateway.issuer.fetching import SUCCESS
from gateway.issuer.identity import Identity
from gateway.issuer.pins import Pin

REPORT_EVERY_S = 5.0
AGAIN_AFTER_S = 1.0

_TIMEOUT = aiohttp.ClientTimeout(total=SILENCE_S)

log = structlog.get_logger()


def release() -> str:
    """The installed version of Casemate."""
    try:
        return version("casemate")
    except PackageNotFoundError:
        return "0+source"


class Reporter:
    """Posts what `describe` says, None while there is nothing to say."""

    def __init__(
        self,
        describe: Callable[[], Report | None],
        *,
        identity: Identity,
        pin: Pin,
        session: aiohttp.ClientSession,
        clock: Callable[[], float],
    ) -> None:
        self._describe = describe
        self._identity = identity
        self._pin = pin
        self._session = session
        self._clock = clock
        self._told: Report | None = None
        self._tried_at = float("-inf")
        self._failed = False

    async def step(self) -> None:
        """Posts a report if one is due; a failure is logged once until it heals."""
        report = self._describe()
        if report is None or not self._is_due(report):
            return
        self._tried_at = self._clock()
        try:
            await self._post(report)
        except (aiohttp.ClientError, OSError) as error:
            if not self._failed:
                log.warning("report_failed", reason=f"{type(error).__name__}: {error}")
            self._failed = True
        else:
            self._told, self._failed = report, False

    def _is_due(self, report: Report) -> bool:
        waited_s = abs(self._clock() - self._tried_at)
        if self._failed:
            return waited_s >= AGAIN_AFTER_S
        # An instance promotes a key once all gateways have it: it waits for this.
        has_new_keys = self._told is None or self._told.kids != report.kids
        return has_new_keys or waited_s >= REPORT_EVERY_S

    async def _post(self, report: Report) -> None:
        assertion = self._identity.assertion(instance_id=self._pin.instance_id, now=self._clock())
        async with self._session.post(
            self._pin.instance_url.rstrip("/") + REPORT_PATH,
            data=msgspec.json.encode(report),
            headers={"Authorization": f"Bearer {assertion}", "Content-Type": "application/json"},
            allow_redirects=False,
            timeout=_TIMEOUT,
        ) as answer:
            if answer.status not in SUCCESS:
                message = f"the instance answered {answer.status}"
                raise aiohttp.ClientError(message)
