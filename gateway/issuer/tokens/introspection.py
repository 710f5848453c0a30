"""Asks the instance what a personal access token opens, seldom enough to be no burden to it."""

import asyncio
import hashlib
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import aiohttp
import msgspec
import structlog

from gateway.contract import headers
from gateway.contract.compact import CompactTokenError, bearer
from gateway.contract.introspection import (
    INTROSPECTED_FOR_S,
    INTROSPECTION_PATH,
    Introspected,
    is_well_formed_pat,
)
from gateway.errors import IdentityUnavailableError, InvalidTokenError, TokenSupersededError
from gateway.issuer.feed.revocations import Revocations
from gateway.issuer.fetching import SUCCESS, TooLargeError, read_limited
from gateway.issuer.identity import Identity
from gateway.issuer.pins import Pin
from gateway.issuer.tokens.profiles import Profile, Verified, holds, read_claims

CACHE_ENTRIES = 4096
MAX_AT_ONCE = 16
MAX_WAITING = 256
TIMEOUT_S = 5.0
# After a failure nobody asks for this long.
PAUSE_S = 1.0
# The checksum is public: so many tokens may be nothing at all before strangers must wait.
MAX_STRANGERS = 64
STRANGERS_WINDOW_S = 10.0
MAX_ANSWER_BYTES = 64 * 1024
DIGEST_BYTES = 32

_NAMESPACE_ID = headers.NAMESPACE_ID.lower().encode()
_ID = re.compile(rb"[1-9][0-9]{0,9}")

log = structlog.get_logger()

V = TypeVar("V")

# A token and the id of a group, or "", to what the instance says: None for nothing.
Ask = Callable[[str, str], Awaitable[dict[str, object] | None]]


class IntrospectionFailedError(Exception):
    """The instance gave no answer that can be relied on; the text says why."""


def asking(
    session: aiohttp.ClientSession, *, pin: Pin, identity: Identity, clock: Callable[[], float]
) -> Ask:
    """How to ask the pinned instance; what is returned raises IntrospectionFailedError."""
    url = pin.instance_url.rstrip("/") + INTROSPECTION_PATH

    async def ask(token: str, namespace_id: str) -> dict[str, object] | None:
        assertion = identity.assertion(instance_id=pin.instance_id, now=clock())
        question = {"token": token, **({"namespace_id": namespace_id} if namespace_id else {})}
        try:
            async with session.post(
                url,
                data=question,
                headers={"Authorization": f"Bearer {assertion}"},
                allow_redirects=False,
            ) as answer:
                if answer.status not in SUCCESS:
                    message = f"the instance answered {answer.status}"
                    raise IntrospectionFailedError(message)
                return _read(await read_limited(answer, limit_bytes=MAX_ANSWER_BYTES))
        except (aiohttp.ClientError, OSError, TooLargeError, ValueError, RecursionError) as cause:
            message = f"{type(cause).__name__}: {cause}"
            raise IntrospectionFailedError(message) from cause

    return ask


def _read(body: bytes) -> dict[str, object] | None:
    is_active = msgspec.json.decode(body, type=Introspected).active
    return msgspec.json.decode(body, type=dict[str, object]) if is_active else None


@dataclass(frozen=True, slots=True, kw_only=True)
class _Known:
    """An answer; `verified` None: the token opens nothing."""

    at: float
    verified: Verified | None


class Introspector:
    """Remembers answers for as long as they may be relied on, never the tokens themselves.

    `issuers` gives every `iss` that the pinned instance goes by.
    """

    def __init__(
        self,
        ask: Ask,
        *,
        pinned: Profile,
        issuers: Callable[[], frozenset[str]],
        revocations: Revocations,
        clock: Callable[[], float],
    ) -> None:
        self._ask = ask
        self._pinned = pinned
        self._issuers = issuers
        self._revocations = revocations
        self._clock = clock
        self._known: dict[bytes, _Known] = {}
        # Digests of tokens that opened something when they were last asked for.
        self._proven: dict[bytes, None] = {}
        self._flights: dict[bytes, asyncio.Task[_Known | None]] = {}
        self._room = asyncio.Semaphore(MAX_AT_ONCE)
        self._failed_at = float("-inf")
        self._has_failed = False
        self._strangers = 0
        self._strangers_since = float("-inf")

    async def look_up(
        self, authorization: bytes, request_headers: Mapping[bytes, bytes]
    ) -> Verified:
        """What `Bearer TOKEN` opens for the group that the headers name, or for its default one.

        Raises:
            InvalidTokenError: nothing, or it is not of the form of such a token.
            TokenSupersededError: it opened something until that was taken back.
            IdentityUnavailableError: the instance cannot be asked.
        """
        try:
            token = bearer(authorization)
        except CompactTokenError as cause:
            raise InvalidTokenError(reason=cause.reason) from cause
        if not is_well_formed_pat(token):
            raise InvalidTokenError(reason="not a personal access token by form or checksum")
        named = request_headers.get(_NAMESPACE_ID, b"")
        namespace_id = named.decode() if _ID.fullmatch(named) else ""
        digest = hashlib.sha256(token.encode()).digest()
        name = digest + namespace_id.encode()
        known = self._known.get(name)
        is_taken_back = False
        if known is not None and self._counts(known):
            verified = self._opened(known)
            is_taken_back = self._revocations.is_superseded(verified.claims)
            if not is_taken_back:
                return verified
        answer = await self._fly(name, token, namespace_id)
        if answer is None and not is_taken_back:
            raise IdentityUnavailableError(reason="the instance does not say what a token opens")
        if answer is None or self._revocations.is_superseded(self._opened(answer).claims):
            raise TokenSupersededError
        return self._opened(answer)

    @staticmethod
    def _opened(known: _Known) -> Verified:
        if known.verified is None:
            raise InvalidTokenError(reason="opens nothing, as the instance says")
        return known.verified

    def _counts(self, known: _Known) -> bool:
        now = self._clock()
        # A clock that was set back must not keep an answer for as long as it was set back.
        if not abs(now - known.at) < INTROSPECTED_FOR_S:
            return False
        return known.verified is None or holds(known.verified.claims, now)

    async def _fly(self, name: bytes, token: str, namespace_id: str) -> _Known | None:
        flight = self._flights.get(name)
        if flight is None:
            if not self._may_ask(name):
                return None
            flight = asyncio.create_task(self._find_out(name, token, namespace_id))
            self._flights[name] = flight
            flight.add_done_callback(lambda _: self._flights.pop(name, None))
        # Shielded: one waiting client that leaves must not cancel the question for the others.
        return await asyncio.shield(flight)

    def _may_ask(self, name: bytes) -> bool:
        now = self._clock()
        if abs(now - self._failed_at) < PAUSE_S or len(self._flights) >= MAX_WAITING:
            return False
        if abs(now - self._strangers_since) >= STRANGERS_WINDOW_S:
            self._strangers, self._strangers_since = 0, now
        return self._strangers < MAX_STRANGERS or name[:DIGEST_BYTES] in self._proven

    async def _find_out(self, name: bytes, token: str, namespace_id: str) -> _Known | None:
        try:
            async with asyncio.timeout(TIMEOUT_S), self._room:
                payload = await self._ask(token, namespace_id)
            known = _Known(at=self._clock(), verified=self._verified(payload))
        except (IntrospectionFailedError, InvalidTokenError, TimeoutError) as error:
            # An answer that makes no sense is about this one token only.
            if not isinstance(error, InvalidTokenError):
                self._failed_at = self._clock()
            if not self._has_failed:
                log.warning("introspection_failed", reason=f"{type(error).__name__}: {error}")
            self._has_failed = True
            return None
        self._has_failed = False
        self._keep(name, known)
        return known

    def _verified(self, payload: dict[str, object] | None) -> Verified | None:
        if payload is None:
            return None
        if str(payload.get("iss")) not in self._issuers():
            raise InvalidTokenError(reason="the answer is of another issuer")
        return read_claims(payload, self._pinned, sources={}, now=self._clock())

    def _keep(self, name: bytes, known: _Known) -> None:
        digest = name[:DIGEST_BYTES]
        self._proven.pop(digest, None)
        if known.verified is None:
            self._strangers += 1
        else:
            _put(self._proven, digest, None)
        _put(self._known, name, known)


def _put(kept: dict[bytes, V], name: bytes, value: V) -> None:
    kept.pop(name, None)
    if len(kept) >= CACHE_ENTRIES:
        # The oldest entry: dictionaries keep their order.
        del kept[next(iter(kept))]
    kept[name] = value
