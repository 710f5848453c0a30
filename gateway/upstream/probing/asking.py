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
    is_whole: bool = True
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

    async def stream(self, url: str, question: Mapping[str, Any], *, limit_s: float) -> Answer:
        """Sends JSON; of a stream that is not at its end in time, what came until then.

        Raises:
            SilentError, UnansweredError: there was no answer.
            ProbeFailedError: it is too long.
        """
        return await self._ask("POST", url, question, limit_s=limit_s, takes_part=True)

    async def _ask(
        self,
        method: str,
        url: str,
        question: Mapping[str, Any] | None,
        *,
        limit_s: float,
        takes_part: bool = False,
    ) -> Answer:
        heard = _Heard(url)
        try:
            async with (
                asyncio.timeout(limit_s),
                self._session.request(
                    method, url, json=question, headers=self._headers, allow_redirects=False
                ) as response,
            ):
                await heard.hear(response)
        except TimeoutError as cause:
            if not (takes_part and heard.arrivals):
                raise SilentError from cause
        except (aiohttp.ClientError, OSError, ValueError) as cause:
            # The library's texts name addresses, and may quote what came.
            raise UnansweredError(type(cause).__name__) from cause
        return heard.answer()


class _Heard:
    """An answer as far as it has come."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._asked_at = time.monotonic()
        self._response: aiohttp.ClientResponse | None = None
        self._parts: list[bytes] = []
        self._is_whole = False
        self.arrivals: list[float] = []

    async def hear(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        size = 0
        while part := await response.content.readany():
            self._parts.append(part)
            self.arrivals.append(time.monotonic())
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                response.close()
                raise faults.too_long(self._url, MAX_ANSWER_BYTES)
        self._is_whole = True

    def answer(self) -> Answer:
        response = self._response
        assert response is not None  # noqa: S101  # heard of at least in part
        is_redirect = response.status in _REDIRECTS
        return Answer(
            url=self._url,
            status=response.status,
            kind=response.content_type,
            body=b"".join(self._parts),
            is_whole=self._is_whole,
            asked_at=self._asked_at,
            arrivals=tuple(self.arrivals),
            target=response.headers.get("Location") if is_redirect else None,
        )


_REDIRECTS = frozenset({301, 302, 303, 307, 308})
