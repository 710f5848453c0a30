import asyncio
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from gateway.contract.feed import SILENCE_S, FeedKey
from gateway.errors import IdentityUnavailableError
from gateway.issuer.identity import Identity
from gateway.issuer.snapshot import SnapshotStore
from gateway.issuer.tokens.key_sets import KeySet, KeySetFetchError, Times, parse_key_set
from tests.builders import KID, a_jwk


def a_pushed_key(kid: str = KID) -> FeedKey:
    jwk = a_jwk(kid)
    return FeedKey(kid=kid, n=jwk["n"], e=jwk["e"])


class Publisher:
    """The issuer's side: what it publishes, and how often it was asked."""

    def __init__(self) -> None:
        self.jwks = [a_jwk()]
        self.is_down = False
        self.fetches = 0
        self.now = 1000.0

    async def fetch(self) -> bytes:
        self.fetches += 1
        await asyncio.sleep(0)
        if self.is_down:
            raise KeySetFetchError("down")
        return msgspec.json.encode({"keys": self.jwks})

    def key_set(self, store: SnapshotStore) -> KeySet:
        return KeySet(
            fetch=self.fetch,
            store=store,
            clock=lambda: self.now,
            times=Times(
                cool_down=timedelta(seconds=5),
                refresh_after=timedelta(seconds=60),
                stale_budget=timedelta(hours=24),
            ),
        )


@pytest.fixture
def publisher() -> Publisher:
    return Publisher()


@pytest.fixture
def store(tmp_path: Path, identity: Identity) -> SnapshotStore:
    return SnapshotStore(tmp_path, identity)


async def test_an_unknown_kid_is_fetched_once_for_all_who_wait(
    publisher: Publisher, store: SnapshotStore
) -> None:
    key_set = publisher.key_set(store)
    found = await asyncio.gather(*(key_set.find(KID) for _ in range(20)))
    assert all(found)
    assert publisher.fetches == 1


async def test_invented_kids_cause_one_fetch_per_cool_down(
    publisher: Publisher, store: SnapshotStore
) -> None:
    key_set = publisher.key_set(store)
    await key_set.refresh()
    publisher.now += 10
    for number in range(50):
        assert await key_set.find(f"invented-{number}") is None
    assert publisher.fetches == 2


async def test_a_new_key_is_found_without_waiting_for_the_refresh(
    publisher: Publisher, store: SnapshotStore
) -> None:
    key_set = publisher.key_set(store)
    await key_set.refresh()
    publisher.jwks.append(a_jwk("signing-key-2"))
    publisher.now += 6
    assert await key_set.find("signing-key-2") is not None


async def test_known_keys_hold_while_the_issuer_is_down_until_the_budget_ends(
    publisher: Publisher, store: SnapshotStore
) -> None:
    key_set = publisher.key_set(store)
    await key_set.refresh()
    publisher.is_down = True
    publisher.now += 23 * 3600
    assert await key_set.find(KID) is not None
    publisher.now += 2 * 3600
    with pytest.raises(IdentityUnavailableError):
        await key_set.find(KID)
    publisher.is_down = False
    publisher.now += 6
    assert await key_set.find(KID) is not None


async def test_an_unknown_kid_cannot_be_judged_while_the_issuer_is_down(
    publisher: Publisher, store: SnapshotStore
) -> None:
    key_set = publisher.key_set(store)
    await key_set.refresh()
    publisher.is_down = True
    publisher.now += 6
    with pytest.raises(IdentityUnavailableError):
        await key_set.find("signing-key-2")


async def test_a_restarted_gateway_knows_the_keys_without_the_issuer(
    publisher: Publisher, store: SnapshotStore
) -> None:
    await publisher.key_set(store).refresh()
    publisher.is_down = True
    restarted = publisher.key_set(store)
    restarted.restore()
    assert await restarted.find(KID) is not None


async def test_a_stored_key_set_of_another_gateway_counts_as_none(
    publisher: Publisher, store: SnapshotStore, tmp_path: Path
) -> None:
    (tmp_path / "key_set.sealed").write_bytes(b"x" * 100)
    key_set = publisher.key_set(store)
    key_set.restore()
    assert not key_set.is_usable


async def test_a_key_that_is_withdrawn_is_gone_after_the_refresh(
    publisher: Publisher, store: SnapshotStore
) -> None:
    key_set = publisher.key_set(store)
    await key_set.keep_fresh()
    before = key_set.generation
    publisher.jwks = [a_jwk("signing-key-2")]
    publisher.now += 61
    await key_set.keep_fresh()
    assert await key_set.find(KID) is None
    assert key_set.generation > before


async def test_a_failed_refresh_is_tried_again_after_the_cool_down(
    publisher: Publisher, store: SnapshotStore
) -> None:
    key_set = publisher.key_set(store)
    publisher.is_down = True
    await key_set.keep_fresh()
    publisher.is_down = False
    publisher.now += 6
    await key_set.keep_fresh()
    assert key_set.is_usable


def test_entries_that_cannot_verify_our_tokens_are_left_out() -> None:
    entries = [
        a_jwk(),
        a_jwk("for-encryption", use="enc"),
        a_jwk("other-algorithm", alg="RS512"),
        {"kty": "EC", "kid": "curve"},
        {"kty": "RSA", "kid": "broken", "n": "!", "e": "AQAB"},
        {"kty": "RSA", "kid": 5},
        {"kty": "RSA", "kid": "numbers", "n": 5, "e": 3},
        {"kty": "RSA", "kid": "lists", "n": ["AQAB"], "e": "AQAB"},
        {"kty": "RSA", "kid": "nothing"},
        {"kty": "RSA", "kid": "even", "n": a_jwk()["n"], "e": "AA"},
        {"kty": "RSA", "kid": "huge", "n": "_" * 20_000 + "8", "e": "AQAB"},
        {"kty": "RSA", "kid": "short", "n": "AQAB", "e": "AQAB"},
    ]
    assert list(parse_key_set(msgspec.json.encode({"keys": entries}))) == [KID]


@pytest.mark.parametrize(
    "document",
    [b"", b"[]", b"{}", b'{"keys": 5}', b"<html>", b'{"keys": [{"kid": "\xff"}]}', b"[" * 99_999],
)
def test_what_is_not_a_key_set_is_an_error(document: bytes) -> None:
    with pytest.raises(KeySetFetchError):
        parse_key_set(document)


async def test_pushed_keys_replace_what_is_known_and_need_no_fetch(
    publisher: Publisher, store: SnapshotStore
) -> None:
    key_set = publisher.key_set(store)
    key_set.adopt([a_pushed_key()], now=publisher.now)
    assert await key_set.find(KID) is not None
    key_set.adopt([a_pushed_key("signing-key-2")], now=publisher.now)
    assert key_set.kids == ("signing-key-2",)
    assert publisher.fetches == 0


async def test_the_same_keys_pushed_again_keep_the_caches(
    publisher: Publisher, store: SnapshotStore
) -> None:
    key_set = publisher.key_set(store)
    key_set.adopt([a_pushed_key()], now=publisher.now)
    before = key_set.generation
    key_set.adopt([a_pushed_key()], now=publisher.now)
    await key_set.refresh()
    assert key_set.generation == before


async def test_another_key_under_the_same_id_is_a_change(
    publisher: Publisher, store: SnapshotStore
) -> None:
    key_set = publisher.key_set(store)
    key_set.adopt([a_pushed_key()], now=publisher.now)
    before = key_set.generation
    other = a_jwk("signing-key-2")
    key_set.adopt([FeedKey(kid=KID, n=other["n"], e=other["e"])], now=publisher.now)
    assert key_set.generation > before


async def test_heartbeats_hold_the_budget_and_spare_the_fetches(
    publisher: Publisher, store: SnapshotStore
) -> None:
    key_set = publisher.key_set(store)
    key_set.adopt([a_pushed_key()], now=publisher.now)
    for _ in range(30):
        publisher.now += 3600
        key_set.confirm(publisher.now)
        await key_set.keep_fresh()
    assert key_set.is_usable
    assert publisher.fetches == 0


async def test_a_fetch_that_a_push_overtook_takes_no_key_away(
    publisher: Publisher, store: SnapshotStore
) -> None:
    key_set = publisher.key_set(store)
    key_set.adopt([a_pushed_key("signing-key-2")], now=publisher.now)
    await key_set.refresh()
    assert await key_set.find(KID) is not None
    assert await key_set.find("signing-key-2") is not None
    publisher.now += SILENCE_S + 1
    await key_set.refresh()
    assert list(key_set.kids) == [KID]


async def test_a_compromised_key_never_comes_back(
    publisher: Publisher, store: SnapshotStore
) -> None:
    key_set = publisher.key_set(store)
    await key_set.refresh()
    before = key_set.generation
    key_set.drop({KID})
    assert key_set.generation > before
    publisher.now += 100
    await key_set.keep_fresh()
    key_set.adopt([a_pushed_key()], now=publisher.now)
    fetches = publisher.fetches
    publisher.now += 100
    assert await key_set.find(KID) is None
    assert publisher.fetches == fetches


async def test_pushed_keys_and_their_age_outlive_the_process(
    publisher: Publisher, store: SnapshotStore
) -> None:
    publisher.is_down = True
    key_set = publisher.key_set(store)
    key_set.adopt([a_pushed_key()], now=publisher.now)
    await key_set.keep_fresh()
    restarted = publisher.key_set(store)
    restarted.restore()
    assert await restarted.find(KID) is not None
    publisher.now += 25 * 3600
    assert not restarted.is_usable


async def test_a_clock_that_was_set_back_does_not_stop_the_fetches(
    publisher: Publisher, store: SnapshotStore
) -> None:
    key_set = publisher.key_set(store)
    await key_set.keep_fresh()
    publisher.now -= 86_400
    await key_set.keep_fresh()
    assert publisher.fetches == 2
