"""The steps of a check, in their order; the first that fails is the last."""

import asyncio
import ssl

import aiohttp
import structlog

from gateway.contract.addresses import Endpoint
from gateway.contract.probing import (
    ADDRESS,
    ANSWER,
    MODELS,
    OK,
    STEP_S,
    STEPS,
    STREAM,
    WHOLE_CHECK_S,
    Finding,
    ModelCheck,
)
from gateway.upstream.egress import EgressGuard, open_session
from gateway.upstream.probing import address_faults
from gateway.upstream.probing.asking import Asker
from gateway.upstream.probing.failing import ProbeFailedError, quoted
from gateway.upstream.probing.listing import Listing
from gateway.upstream.probing.reaching import Reach, read_endpoint
from gateway.upstream.probing.talking import Talk

# What an admin does by hand; each may hold a connection for a while.
MAX_AT_ONCE = 8

log = structlog.get_logger()


class ModelProber:
    """Tries endpoints through the guard's networks; `trusted` as for the gateway's own calls."""

    def __init__(self, guard: EgressGuard, *, trusted: ssl.SSLContext) -> None:
        self._guard = guard
        self._trusted = trusted
        self._turns = asyncio.Semaphore(MAX_AT_ONCE)

    async def check(self, wish: ModelCheck) -> tuple[Finding, ...]:
        """What came of each step that was taken; nothing of it is remembered."""
        async with self._turns:
            findings = await self._check(wish)
        last = findings[-1]
        log.info("model_checked", step=last.name, code=last.code)
        return findings

    async def _check(self, wish: ModelCheck) -> tuple[Finding, ...]:
        try:
            endpoint = read_endpoint(wish.endpoint)
        except ProbeFailedError as error:
            return (error.finding(ADDRESS),)
        guard = self._guard.aside(endpoint.host)
        async with open_session(guard, connect_timeout_s=STEP_S, trusted=self._trusted) as session:
            reach = Reach(guard, endpoint, trusted=self._trusted)
            return await _Check(endpoint, wish, reach=reach, session=session).run()


class _Check:
    """One check under way."""

    def __init__(
        self,
        endpoint: Endpoint,
        wish: ModelCheck,
        *,
        reach: Reach,
        session: aiohttp.ClientSession,
    ) -> None:
        asker = Asker(session, api_key=wish.api_key)
        self._endpoint = endpoint
        self._reach = reach
        self._listing = Listing(asker, endpoint, wish, speaks_tls=reach.speaks_tls)
        self._talk = Talk(asker, endpoint, wish)
        self._findings: list[Finding] = []

    async def run(self) -> tuple[Finding, ...]:
        try:
            async with asyncio.timeout(WHOLE_CHECK_S):
                self._findings.append(await self._check_address())
                self._findings.append(await self._check_models())
                self._findings.append(await self._check_answer())
                self._findings.append(await self._check_stream())
        except ProbeFailedError as error:
            self._fail(error)
        except TimeoutError:
            self._fail(address_faults.silent(self._endpoint, WHOLE_CHECK_S))
        return tuple(self._findings)

    def _fail(self, error: ProbeFailedError) -> None:
        """Enters what ended the step that comes after those that passed."""
        self._findings.append(error.finding(STEPS[len(self._findings)]))

    async def _check_address(self) -> Finding:
        await self._reach.check()
        tls = ", with a certificate that is trusted" if self._endpoint.scheme == "https" else ""
        return _passed(ADDRESS, f"{self._endpoint.url} is reached{tls}.")

    async def _check_models(self) -> Finding:
        self._talk.model = await self._listing.check()
        return _passed(MODELS, f"The server has the model {quoted(self._talk.model)!r}.")

    async def _check_answer(self) -> Finding:
        return _passed(ANSWER, await self._talk.check_answer())

    async def _check_stream(self) -> Finding:
        return _passed(STREAM, await self._talk.check_stream())


def _passed(name: str, message: str) -> Finding:
    return Finding(name=name, success=True, code=OK, message=message)
