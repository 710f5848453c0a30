"""The published keys of the issuer: fetched, refreshed, kept for when the instance is away."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import timedelta

import msgspec
import structlog
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

from gateway.contract.claims import ALGORITHM
from gateway.errors import IdentityUnavailableError
from gateway.issuer.snapshot import SnapshotStore

SNAPSHOT = "key_set"
MIN_RSA_BITS = 2048
MAX_KEYS = 64

log = structlog.get_logger()


class KeySetFetchError(Exception):
    """The issuer did not answer with a key set; the text says how."""


class Fetched(msgspec.Struct, frozen=True):
    """One good answer: the document, and when it was last confirmed (seconds since the epoch)."""

    document: str
    confirmed_at: float


def parse_key_set(document: bytes) -> dict[str, RSAPublicKey]:
    """The signing keys by `kid`; entries of another kind or too short are left out.

    Raises:
        KeySetFetchError: not a JSON key set.
    """
    try:
        entries = msgspec.json.decode(document, type=dict[str, list[dict[str, object]]])["keys"]
    except (msgspec.DecodeError, KeyError) as cause:
        message = "the answer is not a key set"
        raise KeySetFetchError(message) from cause
    keys = {}
    for entry in entries[:MAX_KEYS]:
        kid = entry.get("kid")
        if not isinstance(kid, str) or entry.get("kty") != "RSA":
            continue
        if entry.get("use", "sig") != "sig" or entry.get("alg", ALGORITHM) != ALGORITHM:
            continue
        try:
            key = PyJWK.from_dict(entry, algorithm=ALGORITHM).key
        except PyJWTError:
            continue
        if isinstance(key, RSAPublicKey) and key.key_size >= MIN_RSA_BITS:
            keys[kid] = key
    return keys


class KeySet:
    """One issuer's keys.

    `fetch` returns the key set document and raises KeySetFetchError. An unknown `kid` causes at
    most one fetch per `cool_down`, shared by all who wait. Keys are fetched anew after
    `refresh_after` and count for `stale_budget` after the issuer last confirmed them.
    """

    def __init__(
        self,
        *,
        fetch: Callable[[], Awaitable[bytes]],
        store: SnapshotStore,
        clock: Callable[[], float],
        cool_down: timedelta,
        refresh_after: timedelta,
        stale_budget: timedelta,
    ) -> None:
        self._fetch = fetch
        self._store = store
        self._clock = clock
        self._cool_down_s = cool_down.total_seconds()
        self._refresh_after_s = refresh_after.total_seconds()
        self._stale_budget_s = stale_budget.total_seconds()
        self._keys: dict[str, RSAPublicKey] = {}
        self._fetched: Fetched | None = None
        self._tried_at = float("-inf")
        self._last_try_failed = False
        self._flight: asyncio.Task[None] | None = None
        self.generation = 0
        """Grows whenever the keys change, so that caches built on them can be dropped."""

    def restore(self) -> None:
        """Takes over what an earlier process stored, if it is still within the budget."""
        stored = self._store.load(SNAPSHOT)
        if stored is None:
            return
        try:
            self._fetched = msgspec.json.decode(stored, type=Fetched)
            self._keys = parse_key_set(self._fetched.document.encode())
        except (msgspec.DecodeError, KeySetFetchError):
            self._fetched = None
        self.generation += 1

    @property
    def is_usable(self) -> bool:
        """Whether the last confirmation lies within the stale budget."""
        return (
            self._fetched is not None
            and self._clock() - self._fetched.confirmed_at <= self._stale_budget_s
        )

    async def find(self, kid: str) -> RSAPublicKey | None:
        """The key of that id; None if the issuer publishes no such key.

        Raises:
            IdentityUnavailableError: nothing usable is known, or the key is unknown and the issuer
                cannot be asked.
        """
        if self.is_usable and kid in self._keys:
            return self._keys[kid]
        if self._clock() - self._tried_at >= self._cool_down_s or self._flight is not None:
            await self.refresh()
        if not self.is_usable:
            raise IdentityUnavailableError(reason="no key set within the stale budget")
        if kid not in self._keys and self._last_try_failed:
            raise IdentityUnavailableError(reason="unknown kid, and the issuer is out of reach")
        return self._keys.get(kid)

    async def keep_fresh(self) -> None:
        """Fetches when it is time: after `refresh_after`, or after `cool_down` if it failed."""
        wait_s = self._cool_down_s if self._last_try_failed else self._refresh_after_s
        if self._clock() - self._tried_at >= wait_s:
            await self.refresh()

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
            document = await self._fetch()
            keys = parse_key_set(document)
        except KeySetFetchError as error:
            if not self._last_try_failed:
                log.warning("key_set_fetch_failed", reason=str(error))
            self._last_try_failed = True
            return
        self._last_try_failed = False
        if keys.keys() != self._keys.keys():
            self.generation += 1
            log.info("key_set_changed", kids=sorted(keys))
        self._keys = keys
        self._fetched = Fetched(document.decode(), self._clock())
        await self._store.save(SNAPSHOT, msgspec.json.encode(self._fetched))
