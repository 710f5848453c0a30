"""Questions to an endpoint over HTTP: short answers, read up to a limit and within a time."""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from gateway.contract.probing import STEP_S
from gateway.upstream.probing import server_faults as faults

MAX_ANSWER_BYTES = 256 * 1024
OK = 200


class UnansweredError(Exception):
    """The server took the question and gave no whole answer in HTTP; the text has no address."""


class SilentError(Exception):
    """There was no answer in time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What came back; `kind` is the media type, `arrivals` when parts came, in steady seconds.

    `asked_at` is on the same clock. `target` is where a redirect points.
    """

    url: str
    status: int
    kind: str
    body: bytes
    asked_at: float
    arrivals: tuple[float, ...] = field(default=(), repr=False)
    target: str | None = None

    @property
    def is_redirect(self) -> bool:
        """Whether the server sends on to another address."""
        return self.target is not None

    @property
    def is_page(self) -> bool:
        """Whether this is a page for people."""
        start = self.body[:64].lstrip().lower()
        return self.kind == "text/html" or start.startswith((b"<!doctype html", b"<html"))


class Asker:
    """Asks one server with one API key; no answer is followed anywhere else."""

    def __init__(self, session: aiohttp.ClientSession, *, api_key: str | None) -> None:
        self._session = session
        self._headers = {} if api_key is None else {"Authorization": f"Bearer {api_key}"}

    async def get(self, url: str) -> Answer:
        """Asks for what lies there, within the time of a step.

        Raises:
            SilentError, UnansweredError: there was no answer.
            ProbeFailedError: it is too long.
        """
        return await self._ask("GET", url, None, limit_s=STEP_S)

    async def post(self, url: str, question: Mapping[str, Any], *, limit_s: float) -> Answer:
        """Sends JSON.

        Raises:
            SilentError, UnansweredError: there was no answer.
            ProbeFailedError: it is too long.
        """
        return await self._ask("POST", url, question, limit_s=limit_s)

    async def _ask(
        self, method: str, url: str, question: Mapping[str, Any] | None, *, limit_s: float
    ) -> Answer:
        asked_at = time.monotonic()
        try:
            async with (
                asyncio.timeout(limit_s),
                self._session.request(
                    method, url, json=question, headers=self._headers, allow_redirects=False
                ) as response,
            ):
                return await _read(response, url, asked_at=asked_at)
        except TimeoutError as cause:
            raise SilentError from cause
        except (aiohttp.ClientError, OSError, ValueError) as cause:
            # The library's texts name addresses, and may quote what came.
            raise UnansweredError(type(cause).__name__) from cause


async def _read(response: aiohttp.ClientResponse, url: str, *, asked_at: float) -> Answer:
    parts: list[bytes] = []
    arrivals: list[float] = []
    size = 0
    while part := await response.content.readany():
        parts.append(part)
        arrivals.append(time.monotonic())
        size += len(part)
        if size > MAX_ANSWER_BYTES:
            response.close()
            raise faults.too_long(url, MAX_ANSWER_BYTES)
    return Answer(
        url=url,
        status=response.status,
        kind=response.content_type,
        body=b"".join(parts),
        asked_at=asked_at,
        arrivals=tuple(arrivals),
        target=response.headers.get("Location") if response.status in _REDIRECTS else None,
    )


_REDIRECTS = frozenset({301, 302, 303, 307, 308})
