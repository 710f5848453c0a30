"""The published keys of an issuer: pushed or fetched, kept for when the issuer is away."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.algorithms import RSAAlgorithm
from jwt.exceptions import PyJWTError

from gateway.contract.claims import ALGORITHM
from gateway.contract.feed import SILENCE_S, FeedKey
from gateway.errors import IdentityUnavailableError
from gateway.issuer.snapshot import SnapshotStore

SNAPSHOT = "key_set"
MIN_RSA_BITS = 2048
# Beyond this each look at a signature would cost more than the call it opens.
MAX_RSA_BITS = 8192
# Retired keys stay for as long as what they signed may live.
MAX_KEYS = 1024

log = structlog.get_logger()


class KeySetFetchError(Exception):
    """The issuer did not answer with a key set; the text says how."""


class Fetched(msgspec.Struct, frozen=True):
    """One good answer: the document, and when it was last confirmed (seconds since the epoch)."""

    document: str
    confirmed_at: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long a key set waits before it fetches anew, and counts without being confirmed."""

    cool_down: timedelta
    refresh_after: timedelta
    stale_budget: timedelta


def parse_key_set(document: bytes) -> dict[str, RSAPublicKey]:
    """The signing keys by `kid`; entries of another kind or too short are left out.

    Raises:
        KeySetFetchError: not a JSON key set.
    """
    try:
        entries = msgspec.json.decode(document, type=dict[str, list[dict[str, object]]])["keys"]
    except (ValueError, KeyError, RecursionError) as cause:
        message = "the answer is not a key set"
        raise KeySetFetchError(message) from cause
    return _signing_keys(entries)


def _signing_keys(entries: list[dict[str, object]]) -> dict[str, RSAPublicKey]:
    keys = {}
    for entry in entries[:MAX_KEYS]:
        kid = entry.get("kid")
        if not isinstance(kid, str) or entry.get("kty") != "RSA":
            continue
        if entry.get("use", "sig") != "sig" or entry.get("alg", ALGORITHM) != ALGORITHM:
            continue
        try:
            key = PyJWK.from_dict(entry, algorithm=ALGORITHM).key
        except (PyJWTError, ValueError, TypeError, AttributeError):
            continue
        if isinstance(key, RSAPublicKey) and MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
            keys[kid] = key
    return keys


class Keys(Protocol):
    """Where the keys of one issuer come from.

    `generation` grows whenever they change, so that caches built on them can be dropped.
    """

    @property
    def generation(self) -> int:
        """Grows with each change."""

    @property
    def is_usable(self) -> bool:
        """Whether what is known is fresh enough to rely on."""

    async def find(self, kid: str) -> RSAPublicKey | None:
        """The key of that id, or None; IdentityUnavailableError when that cannot be said."""


class KeySet:
    """One issuer's keys.

    `fetch` returns the key set document and raises KeySetFetchError. An unknown `kid` causes at
    most one fetch per `cool_down`, shared by all who wait. Keys are fetched anew once nothing has
    confirmed them for `refresh_after`, and count for `stale_budget` after the issuer last did.
    `snapshot` names what outlives the process.
    """

    def __init__(
        self,
        *,
        fetch: Callable[[], Awaitable[bytes]],
        store: SnapshotStore,
        clock: Callable[[], float],
        times: Times,
        snapshot: str = SNAPSHOT,
    ) -> None:
        self._fetch = fetch
        self._store = store
        self._clock = clock
        self._cool_down_s = times.cool_down.total_seconds()
        self._refresh_after_s = times.refresh_after.total_seconds()
        self._stale_budget_s = times.stale_budget.total_seconds()
        self._snapshot = snapshot
        self._keys: dict[str, RSAPublicKey] = {}
        self._dropped: set[str] = set()
        self._confirmed_at: float | None = None
        self._pushed_at = float("-inf")
        self._saved: tuple[int, float] = (0, float("-inf"))
        self._tried_at = float("-inf")
        self._last_try_failed = False
        self._flight: asyncio.Task[None] | None = None
        self.generation = 0
        """Grows whenever the keys change, so that caches built on them can be dropped."""

    def restore(self) -> None:
        """Takes over what an earlier process stored, if it is still within the budget."""
        stored = self._store.load(self._snapshot)
        if stored is None:
            return
        try:
            fetched = msgspec.json.decode(stored, type=Fetched)
            self._replace(parse_key_set(fetched.document.encode()))
        except (msgspec.DecodeError, KeySetFetchError):
            return
        self._confirmed_at = fetched.confirmed_at
        self._saved = self.generation, fetched.confirmed_at

    @property
    def kids(self) -> tuple[str, ...]:
        """The ids of the keys that can be verified with, sorted."""
        return tuple(sorted(self._keys))

    @property
    def is_usable(self) -> bool:
        """Whether the last confirmation lies within the stale budget."""
        return (
            self._confirmed_at is not None
            and self._clock() - self._confirmed_at <= self._stale_budget_s
        )

    def adopt(self, keys: Iterable[FeedKey], *, now: float) -> None:
        """Takes over keys that the issuer pushed at `now`; they replace what is known.

        `now` is when the issuer said so: for a document that was kept, its own time.
        """
        entries: list[dict[str, object]] = [
            {"kty": "RSA", "kid": each.kid, "n": each.n, "e": each.e} for each in keys
        ]
        self._replace(_signing_keys(entries))
        self.confirm(now)

    def confirm(self, now: float) -> None:
        """The issuer said at `now` that the pushed keys are still the ones."""
        self._pushed_at = self._confirmed_at = now

    def drop(self, kids: Iterable[str]) -> None:
        """Forgets compromised keys at once; no fetch and no push brings them back."""
        self._dropped.update(kids)
        self._replace(self._keys)

    def _replace(self, keys: Mapping[str, RSAPublicKey]) -> None:
        keys = {kid: key for kid, key in keys.items() if kid not in self._dropped}
        if keys != self._keys:
            self._keys = keys
            self.generation += 1
            log.info("key_set_changed", kids=self.kids)

    async def find(self, kid: str) -> RSAPublicKey | None:
        """The key of that id; None if the issuer publishes no such key.

        Raises:
            IdentityUnavailableError: nothing usable is known, or the key is unknown and the issuer
                cannot be asked.
        """
        if self.is_usable and kid in self._keys:
            return self._keys[kid]
        if kid in self._dropped:
            return None
        if self._flight is not None or self._is_past(self._tried_at, self._cool_down_s):
            await self.refresh()
        if not self.is_usable:
            raise IdentityUnavailableError(reason="no key set within the stale budget")
        if kid not in self._keys and self._last_try_failed:
            raise IdentityUnavailableError(reason="unknown kid, and the issuer is out of reach")
        return self._keys.get(kid)

    async def keep_fresh(self) -> None:
        """Fetches and saves when it is time; called every second or more often."""
        wait_s = self._cool_down_s if self._last_try_failed else self._refresh_after_s
        is_old = self._confirmed_at is None or self._is_past(self._confirmed_at, wait_s)
        if is_old and self._is_past(self._tried_at, wait_s):
            await self.refresh()
        await self._save()

    def _is_past(self, moment: float, wait_s: float) -> bool:
        # A clock that was set back must not stop the fetches for as long as it was set back.
        return abs(self._clock() - moment) >= wait_s

    async def refresh(self) -> None:
        """Fetches the key set; joins a fetch that is under way. Failure is logged, not raised."""
        if self._flight is None:
            self._flight = asyncio.create_task(self._refresh())
            self._flight.add_done_callback(self._landed)
        # Shielded: one waiting client that leaves must not cancel the fetch for the others.
        await asyncio.shield(self._flight)

    def _landed(self, _: asyncio.Task[None]) -> None:
        self._flight = None

    async def _refresh(self) -> None:
        self._tried_at = self._clock()
        try:
            keys = parse_key_set(await self._fetch())
        except KeySetFetchError as error:
            if not self._last_try_failed:
                log.warning("key_set_fetch_failed", reason=str(error))
            self._last_try_failed = True
            return
        self._last_try_failed = False
        now = self._clock()
        if now - self._pushed_at <= SILENCE_S:
            # An answer may be older than what was pushed while it was on its way: it only adds.
            keys = {**keys, **self._keys}
        self._replace(keys)
        self._confirmed_at = now
        await self._save()

    async def _save(self) -> None:
        if self._confirmed_at is None:
            return
        generation, saved_at = self._saved
        # Each heartbeat confirms: what is worth a write is a tenth of the budget.
        is_worth_it = abs(self._confirmed_at - saved_at) >= self._stale_budget_s / 10
        if generation == self.generation and not is_worth_it:
            return
        self._saved = self.generation, self._confirmed_at
        content = Fetched(_document(self._keys), self._confirmed_at)
        await self._store.save(self._snapshot, msgspec.json.encode(content))


def _document(keys: Mapping[str, RSAPublicKey]) -> str:
    entries = [
        {**RSAAlgorithm.to_jwk(key, as_dict=True), "kid": kid, "use": "sig", "alg": ALGORITHM}
        for kid, key in keys.items()
    ]
    return msgspec.json.encode({"keys": entries}).decode()
