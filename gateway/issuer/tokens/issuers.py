"""Everybody whom the gateway believes: the pinned instance, a file's issuers, its own tokens."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import aiohttp

from gateway.contract.catalog import load_catalog
from gateway.issuer.feed.revocations import Revocations
from gateway.issuer.fetching import discover_key_set, fetch_document, read_key_set_file
from gateway.issuer.identity import Identity
from gateway.issuer.pins import Pin
from gateway.issuer.snapshot import SnapshotStore
from gateway.issuer.tokens.introspection import Introspector, asking
from gateway.issuer.tokens.issuers_file import IssuerEntry, read_issuers
from gateway.issuer.tokens.key_sets import KeySet, Times
from gateway.issuer.tokens.profiles import USER_TOKEN_ISSUER, Profile
from gateway.issuer.tokens.user_tokens import UserTokenKey, load_user_token_key
from gateway.issuer.tokens.verifier import TokenVerifier

# A file is read again this often, to see a change; nobody else is asked for it.
FILE_LIFE = timedelta(seconds=5)


@dataclass(frozen=True, slots=True, kw_only=True)
class IssuerFiles:
    """What the settings' files say of issuers, read before the start."""

    entries: tuple[IssuerEntry, ...] = ()
    user_token_key: UserTokenKey | None = None

    @property
    def hosts(self) -> frozenset[str]:
        """Every host that keys are fetched from."""
        return frozenset(host for entry in self.entries for host in entry.hosts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Surroundings:
    """What asking an issuer needs."""

    pin: Pin
    identity: Identity
    session: aiohttp.ClientSession
    store: SnapshotStore
    clock: Callable[[], float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuers:
    """Those who can tell who is asking; `key_sets` are to be kept fresh, the pinned one apart."""

    verifier: TokenVerifier
    introspector: Introspector
    key_sets: tuple[KeySet, ...]


def read_issuer_files(
    issuers_file: Path | None,
    user_token_key_file: Path | None,
    *,
    pin: Pin | None,
    is_mounted: bool,
) -> IssuerFiles:
    """Reads both; None is a file that there is none of.

    Raises:
        StateError: one cannot be used; the reason lists every problem of it.
    """
    entries: tuple[IssuerEntry, ...] = ()
    if issuers_file is not None:
        taken = {USER_TOKEN_ISSUER, *([pin.issuer] if pin else [])}
        entries = read_issuers(issuers_file, taken=taken, providers=load_catalog().providers)
    key = None
    if user_token_key_file is not None:
        key = load_user_token_key(user_token_key_file, is_mounted=is_mounted)
    return IssuerFiles(entries=entries, user_token_key=key)


def open_issuers(
    around: Surroundings,
    *,
    files: IssuerFiles,
    pinned_keys: KeySet,
    times: Times,
    revocations: Revocations,
) -> Issuers:
    """Joins them; the key sets of the file's issuers begin with what an earlier process knew."""
    pinned = Profile(
        name="instance",
        kind="casemate",
        keys=pinned_keys,
        instance_id=around.pin.instance_id,
        is_pinned=True,
    )
    others, key_sets = {}, []
    for entry in files.entries:
        keys = _key_set(entry, around, times)
        keys.restore()
        key_sets.append(keys)
        others[entry.issuer] = Profile(
            name=entry.name, kind=entry.kind, keys=keys, providers=entry.providers
        )
    if files.user_token_key is not None:
        user = Profile(name="user-tokens", kind="user", keys=files.user_token_key)
        others[USER_TOKEN_ISSUER] = user
    verifier = TokenVerifier(
        pinned,
        issuer=around.pin.issuer,
        others=others,
        revocations=revocations,
        clock=around.clock,
    )
    introspector = Introspector(
        asking(around.session, pin=around.pin, identity=around.identity, clock=around.clock),
        pinned=pinned,
        issuers=lambda: verifier.pinned_issuers,
        revocations=revocations,
        clock=around.clock,
    )
    return Issuers(verifier=verifier, introspector=introspector, key_sets=tuple(key_sets))


def _key_set(entry: IssuerEntry, around: Surroundings, times: Times) -> KeySet:
    if entry.key_set_file is not None:
        times = replace(times, refresh_after=min(times.refresh_after, FILE_LIFE))
    return KeySet(
        fetch=_fetching(entry, around.session),
        store=around.store,
        clock=around.clock,
        times=times,
        snapshot=f"key_set-{entry.name}",
    )


def _fetching(entry: IssuerEntry, session: aiohttp.ClientSession) -> Callable[[], Awaitable[bytes]]:
    async def fetch() -> bytes:
        if entry.key_set_file is not None:
            return await read_key_set_file(entry.key_set_file)
        if entry.key_set_url is not None:
            return await fetch_document(session, entry.key_set_url, trusted=entry.trusted)
        assert entry.discovery_url is not None  # noqa: S101  # one of the three is there
        return await discover_key_set(
            session, entry.discovery_url, issuer=entry.issuer, trusted=entry.trusted
        )

    return fetch
