import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from gateway.contract.feed import FeedDocument, FeedKey, Revocations, SignedFeed, SwitchedOff
from gateway.contract.selection import Feature, Group
from gateway.errors import FeedRefusedError
from gateway.issuer.feed.state import Course, is_heartbeat, merged, read_feed
from gateway.issuer.identity import Identity
from gateway.issuer.pins import Pin
from tests.builders import (
    INSTANCE_ID,
    ISSUER,
    a_feed_document,
    a_feed_key,
    a_feed_model,
    a_signed_feed,
    base64url,
)

ONE, TWO, THREE = (a_feed_model(ref=ref) for ref in ("one", "two", "three"))
KEY = FeedKey(kid="k", n="AQAB", e="AQAB")
OFF = SwitchedOff(flag="chat", unit_primitives=("duo_chat",))
CHAT = Feature(name="duo_chat", default="one", selectable=frozenset({"one"}))
PIN = Pin(
    instance_id=INSTANCE_ID,
    feed_key=base64url(a_feed_key().public_key().public_bytes_raw()),
    issuer=ISSUER,
    instance_url="http://127.0.0.1:1",
)


def snapshot(**changes: object) -> FeedDocument:
    fields = {"epoch": 2, "sequence": 10, "models": (ONE, TWO), **changes}
    return msgspec.structs.replace(a_feed_document("gateway"), **fields)


def change(**changes: object) -> FeedDocument:
    return snapshot(**{"since": 10, "sequence": 11, "models": (), **changes})


def read(signed: SignedFeed, identity: Identity) -> FeedDocument:
    return read_feed(signed, pin=PIN, gateway_id=identity.gateway_id)


def test_a_feed_of_the_pinned_instance_is_read(identity: Identity) -> None:
    document = a_feed_document(identity.gateway_id, a_feed_model())
    assert read(a_signed_feed(document), identity) == document


def test_a_feed_signed_by_another_key_is_refused(identity: Identity) -> None:
    document = a_feed_document(identity.gateway_id)
    with pytest.raises(FeedRefusedError):
        read(a_signed_feed(document, key=Ed25519PrivateKey.generate()), identity)


def test_a_changed_feed_is_refused(identity: Identity) -> None:
    signed = a_signed_feed(a_feed_document(identity.gateway_id))
    other = a_feed_document(identity.gateway_id, a_feed_model())
    changed = SignedFeed(document=base64url(msgspec.json.encode(other)), signature=signed.signature)
    with pytest.raises(FeedRefusedError):
        read(changed, identity)


@pytest.mark.parametrize("changes", [{"instance_id": "other"}, {"gateway_id": "other"}])
def test_a_feed_from_or_for_another_is_refused(identity: Identity, changes: dict[str, str]) -> None:
    document = a_feed_document(identity.gateway_id)
    with pytest.raises(FeedRefusedError):
        read(a_signed_feed(msgspec.structs.replace(document, **changes)), identity)


@pytest.mark.parametrize("text", ["", "!", "bm90IGpzb24"])
def test_a_feed_that_cannot_be_read_is_refused(identity: Identity, text: str) -> None:
    with pytest.raises(FeedRefusedError):
        read(SignedFeed(document=text, signature=text), identity)


@pytest.mark.parametrize(
    ("epoch", "sequence"), [(2, 10), (2, 11), (3, 1)], ids=["again", "newer", "restored"]
)
def test_a_snapshot_that_is_no_older_replaces_everything(epoch: int, sequence: int) -> None:
    known = snapshot(keys=(KEY,), switched_off=(OFF,), requires=("x",))
    fresh = snapshot(epoch=epoch, sequence=sequence, models=(THREE,))
    assert merged(known, fresh) == fresh


@pytest.mark.parametrize(("epoch", "sequence"), [(2, 9), (1, 99)])
def test_an_older_snapshot_is_refused(epoch: int, sequence: int) -> None:
    with pytest.raises(FeedRefusedError, match="older"):
        merged(snapshot(), snapshot(epoch=epoch, sequence=sequence))


def test_a_change_takes_out_first_and_then_adds() -> None:
    newer = msgspec.structs.replace(ONE, identifier="newer")
    fresh = change(removed_models=("one", "two"), models=(newer, THREE))
    known = merged(snapshot(), fresh)
    assert known.models == (newer, THREE)
    assert (known.sequence, known.since, known.removed_models) == (11, None, ())


def test_what_a_change_does_not_speak_of_stays() -> None:
    known = snapshot(keys=(KEY,), issuers=("a",), switched_off=(OFF,), requires=("x",))
    assert merged(known, change()) == msgspec.structs.replace(known, sequence=11)
    fresh = merged(known, change(keys=(), issuers=("b",), switched_off=(), requires=("y",)))
    assert (fresh.keys, fresh.issuers, fresh.switched_off) == ((), ("b",), ())
    assert fresh.requires == ("x", "y")


def test_features_stay_until_they_are_told_anew_and_groups_are_kept_elsewhere() -> None:
    known = merged(None, snapshot(features=(CHAT,), groups=(Group(1),)))
    assert (known.features, known.groups) == ((CHAT,), ())
    later = merged(known, change(groups=(Group(2),), removed_groups=(1,)))
    assert (later.features, later.groups, later.removed_groups) == ((CHAT,), (), ())
    assert merged(known, change(features=())).features == ()
    assert merged(known, snapshot()).features is None


@pytest.mark.parametrize(
    "parts", [{"features": (CHAT,)}, {"groups": (Group(1),)}, {"removed_groups": (1,)}]
)
def test_choices_of_groups_that_were_never_told_are_refused(parts: dict[str, object]) -> None:
    with pytest.raises(FeedRefusedError, match="never told"):
        merged(snapshot(), change(**parts))


def test_revocations_are_not_part_of_what_is_known() -> None:
    assert merged(None, snapshot(revocations=Revocations(minimum_era=1))).revocations is None


@pytest.mark.parametrize(
    "fresh",
    [
        change(since=9),
        change(since=11, sequence=12),
        change(epoch=3),
        change(sequence=9),
    ],
    ids=["replayed", "out of order", "another epoch", "back"],
)
def test_a_change_to_something_else_is_refused(fresh: FeedDocument) -> None:
    with pytest.raises(FeedRefusedError):
        merged(snapshot(), fresh)


def test_a_change_to_nothing_is_refused() -> None:
    with pytest.raises(FeedRefusedError):
        merged(None, change())


@pytest.mark.parametrize(
    ("document", "is_one"),
    [
        (change(sequence=10), True),
        (change(), False),
        (snapshot(models=()), False),
        (change(sequence=10, keys=()), False),
        (change(sequence=10, models=(ONE,)), False),
        (change(sequence=10, revocations=Revocations()), False),
        (change(sequence=10, features=()), False),
        (change(sequence=10, groups=(Group(1),)), False),
        (change(sequence=10, removed_groups=(1,)), False),
    ],
)
def test_a_heartbeat_changes_nothing(document: FeedDocument, *, is_one: bool) -> None:
    assert is_heartbeat(document) is is_one


def test_documents_of_one_stream_come_in_order() -> None:
    course = Course("jti")
    for clock_ms in (5, 5, 6):
        course.check(change(stream="jti", clock_ms=clock_ms))
    with pytest.raises(FeedRefusedError, match="older"):
        course.check(change(stream="jti", clock_ms=5))


@pytest.mark.parametrize("stream", [None, "another"])
def test_a_document_of_another_stream_is_refused(stream: str | None) -> None:
    with pytest.raises(FeedRefusedError, match="another stream"):
        Course("jti").check(change(stream=stream))


def test_a_heartbeat_is_taken_once() -> None:
    course = Course("jti")
    course.check(change(sequence=10, stream="jti", clock_ms=5))
    with pytest.raises(FeedRefusedError, match="before"):
        course.check(change(sequence=10, stream="jti", clock_ms=5))
    course.check(change(sequence=10, stream="jti", clock_ms=6))
