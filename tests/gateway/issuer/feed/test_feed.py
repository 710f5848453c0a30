import time
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from structlog.testing import capture_logs

from gateway.contract import feed as contract
from gateway.contract.feed import ALLOWED_NETWORKS, SELECTIONS, FeedKey, SwitchedOff
from gateway.contract.selection import Choice, Feature, Group
from gateway.errors import FeedRefusedError
from gateway.issuer.feed.feed import Feed, News
from gateway.issuer.feed.keeping import MANY, SNAPSHOT, STOCKS
from gateway.issuer.feed.revocations import Revocations
from gateway.issuer.feed.state import Course
from gateway.issuer.identity import Identity
from gateway.issuer.pins import Pin
from gateway.issuer.snapshot import SnapshotStore
from tests.builders import (
    INSTANCE_ID,
    ISSUER,
    a_feed_document,
    a_feed_key,
    a_feed_model,
    a_signed_feed,
    base64url,
)

REVOKED = contract.Revocations(
    credentials=(contract.RevokedCredential(credential="pat:7", until=2**40),), minimum_era=3
)
CHAT = Feature(name="duo_chat", default="a", selectable=frozenset("ab"))
CHOICE = Choice("duo_chat", "b", narrowed_to=frozenset("b"))
OFF = SwitchedOff(flag="chat", unit_primitives=("duo_chat",))


class Setup:
    """A feed over a folder, and what it said."""

    def __init__(self, folder: Path, identity: Identity, **pinned: str) -> None:
        self.gateway_id = identity.gateway_id
        self.now = 1_800_000_000.0
        self.news: list[News] = []
        self.fails = False
        self.store = SnapshotStore(folder, identity)
        self.revocations = Revocations()
        fields = {
            "instance_id": INSTANCE_ID,
            "feed_key": base64url(a_feed_key().public_key().public_bytes_raw()),
            "issuer": ISSUER,
            "instance_url": "http://127.0.0.1:1",
            **pinned,
        }
        self.feed = Feed(
            identity=identity,
            pin=Pin(**fields),
            store=self.store,
            revocations=self.revocations,
            clock=lambda: self.now,
            on_news=self.hear,
        )

    def hear(self, news: News) -> None:
        if self.fails:
            raise RuntimeError
        self.news.append(news)

    def line(self, *models: contract.FeedModel, **changes: object) -> bytes:
        document = a_feed_document(self.gateway_id, *models, **changes)
        return msgspec.json.encode(a_signed_feed(document))

    def change(self, *models: contract.FeedModel, **changes: object) -> None:
        """Takes over a change from 1 to 2, in a stream."""
        fields = {"since": 1, "sequence": 2, "stream": "jti", **changes}
        self.take(self.line(*models, **fields), course=Course("jti"))

    def take(self, line: bytes, *, course: Course | None = None) -> None:
        self.feed.take(self.feed.read(line), course=course)


@pytest.fixture
def folder(tmp_path: Path, identity: Identity) -> Path:
    del identity
    return tmp_path / "gateway"


@pytest.fixture
def setup(folder: Path, identity: Identity) -> Setup:
    return Setup(folder, identity)


async def kept(setup: Setup) -> None:
    setup.take(setup.line(a_feed_model(), revocations=REVOKED, switched_off=(OFF,)))
    await setup.feed.keep()


def test_nothing_is_known_at_first(setup: Setup) -> None:
    setup.feed.restore()
    assert not setup.feed.has_document
    assert (setup.feed.position, setup.feed.number) == (None, (0, 0))
    assert setup.feed.age_s == float("inf")


def test_a_snapshot_says_everything(setup: Setup) -> None:
    setup.take(setup.line(a_feed_model(), revocations=REVOKED))
    (news,) = setup.news
    assert news.models is not None
    assert [model.ref for model in news.models] == ["demo"]
    assert (news.issuers, news.switched_off, news.revocations) == ((), (), REVOKED)
    assert setup.revocations.kept() == REVOKED
    assert setup.feed.position == (1, 1)


def test_a_change_says_what_is_new(setup: Setup) -> None:
    key = FeedKey(kid="k", n="AQAB", e="AQAB")
    setup.take(setup.line(a_feed_model()))
    setup.change(keys=(key,), issuers=("a", "b"))
    news = setup.news[-1]
    assert (news.keys, news.issuers, news.confirms_keys) == ((key,), ("a", "b"), True)
    assert (news.models, news.switched_off, news.revocations) == (None, None, None)
    assert setup.feed.number == (1, 2)


def test_choices_are_handed_on_and_changed_in_place(setup: Setup) -> None:
    setup.take(setup.line(features=(CHAT,), groups=(Group(1), Group(2, 1, (CHOICE,)), Group(3))))
    first = setup.news[-1].selections
    assert first is not None
    assert (first.features, first.groups.find(2)) == ((CHAT,), Group(2, 1, (CHOICE,)))
    setup.change(groups=(Group(2), Group(4)), removed_groups=(3, 4))
    assert setup.news[-1].selections == first
    assert first.groups.everything() == (Group(1), Group(2), Group(4))
    setup.change(since=2, sequence=3, issuers=("a",))
    assert setup.news[-1].selections is None
    setup.take(setup.line(sequence=4))
    older = setup.news[-1].selections
    assert older is not None
    assert (older.features, len(older.groups)) == (None, 0)
    assert (setup.feed.features_known, setup.feed.groups_known) == (0, 0)


def test_what_the_instance_tells_of_choices_is_counted(setup: Setup) -> None:
    assert (setup.feed.features_known, setup.feed.groups_known, setup.feed.kept_bytes) == (0, 0, 0)
    setup.take(setup.line(features=(CHAT,), groups=(Group(1), Group(2))))
    assert (setup.feed.features_known, setup.feed.groups_known) == (1, 2)


def test_keys_are_opened_anew_only_where_more_is_required(setup: Setup) -> None:
    setup.take(setup.line(a_feed_model(), requires=(SELECTIONS,)))
    setup.change(requires=(SELECTIONS,))
    assert setup.news[-1].models is None
    setup.change(since=2, sequence=3, requires=("time_of_day",))
    models = setup.news[-1].models
    assert models is not None
    assert not models[0].is_understood


@pytest.mark.parametrize("count", [2, MANY + 1])
async def test_choices_that_were_kept_are_restored_as_of_that_moment(
    folder: Path, setup: Setup, identity: Identity, count: int
) -> None:
    groups = tuple(Group(number + 1) for number in range(count))
    setup.take(setup.line(features=(CHAT,), groups=groups))
    await setup.feed.keep()
    setup.change(groups=(Group(2, 1, (CHOICE,)),), removed_groups=(1,))
    await setup.feed.keep()
    restarted = Setup(folder, identity)
    restarted.feed.restore()
    known = restarted.news[-1].selections
    assert known is not None
    assert known.features == (CHAT,)
    assert set(known.groups.everything()) == {Group(2, 1, (CHOICE,)), *groups[2:]}
    assert restarted.feed.position == (1, 2)
    assert restarted.feed.kept_bytes == setup.feed.kept_bytes > 0
    restarted.change(since=2, sequence=3, groups=(Group(1),))
    assert len(known.groups) == count


async def test_without_its_groups_nothing_that_was_kept_counts(
    folder: Path, setup: Setup, identity: Identity
) -> None:
    groups = tuple(Group(number) for number in range(MANY + 1))
    setup.take(setup.line(features=(CHAT,), groups=groups))
    await setup.feed.keep()
    (folder / f"{STOCKS[0]}.sealed").unlink()
    restarted = Setup(folder, identity)
    restarted.feed.restore()
    assert not restarted.feed.has_document
    assert (restarted.feed.position, restarted.news) == (None, [])


def test_a_heartbeat_confirms_keys_that_this_feed_brought(setup: Setup) -> None:
    setup.take(setup.line())
    setup.change(sequence=1, clock_ms=1)
    assert not setup.news[-1].confirms_keys
    setup.change(keys=())
    setup.change(since=2, clock_ms=2)
    assert setup.news[-1].confirms_keys


def test_a_change_outside_of_a_stream_is_refused(setup: Setup) -> None:
    setup.take(setup.line())
    for fields in ({"since": 1, "sequence": 2}, {"stream": "jti", "sequence": 2}):
        with pytest.raises(FeedRefusedError):
            setup.take(setup.line(**fields))
    assert (setup.feed.refused, setup.feed.number) == (2, (1, 1))


def test_what_could_not_be_handed_on_comes_again(setup: Setup) -> None:
    setup.take(setup.line())
    setup.fails = True
    with pytest.raises(RuntimeError):
        setup.change(a_feed_model())
    assert setup.feed.position is None


def test_the_age_and_the_skew_are_told(setup: Setup) -> None:
    setup.take(setup.line(clock_ms=int(setup.now * 1000) - 1500))
    assert setup.feed.clock_skew_s == pytest.approx(1.5)
    setup.now -= 10
    assert setup.feed.age_s == 10
    setup.feed.confirm()
    assert setup.feed.age_s == 0


async def test_what_was_kept_is_restored(folder: Path, setup: Setup, identity: Identity) -> None:
    await kept(setup)
    restarted = Setup(folder, identity)
    restarted.feed.restore()
    (news,) = restarted.news
    assert news.models is not None
    assert [model.ref for model in news.models] == ["demo"]
    assert (news.switched_off, news.keys, news.confirms_keys) == ((OFF,), None, False)
    assert restarted.revocations.kept() == REVOKED
    assert restarted.feed.position == (1, 1)
    assert restarted.feed.age_s == float("inf")


async def test_a_pin_that_is_newer_than_what_was_kept_counts_as_well(
    folder: Path, setup: Setup, identity: Identity
) -> None:
    setup.take(setup.line(issuers=("http://a", "http://b")))
    await setup.feed.keep()
    restarted = Setup(folder, identity, issuer="https://a")
    restarted.feed.restore()
    restarted.take(restarted.line(issuers=("https://a", "http://a")))
    told = [news.issuers for news in restarted.news]
    assert told == [("https://a", "http://a", "http://b"), ("https://a", "http://a")]


async def test_what_is_no_news_is_not_written_again(setup: Setup, folder: Path) -> None:
    await kept(setup)
    (folder / "feed.sealed").unlink()
    setup.change(sequence=1, clock_ms=1)
    await setup.feed.keep()
    assert not (folder / "feed.sealed").exists()


@pytest.mark.parametrize("damage", ["broken seal", "another instance", "another gateway"])
async def test_state_that_is_not_ours_is_ignored_with_a_word(
    folder: Path, setup: Setup, identity: Identity, damage: str
) -> None:
    await kept(setup)
    pinned = {"instance_id": "another"} if damage == "another instance" else {}
    if damage == "broken seal":
        (folder / "feed.sealed").write_bytes(b"x" * 100)
    if damage == "another gateway":
        signed = a_signed_feed(a_feed_document("another"))
        await setup.store.save(SNAPSHOT, msgspec.json.encode(signed))
    restarted = Setup(folder, identity, **pinned)
    with capture_logs() as lines:
        restarted.feed.restore()
    assert not restarted.feed.has_document
    assert len(lines) == 1


async def test_a_stored_feed_that_another_signed_is_not_taken_over(
    folder: Path, setup: Setup, identity: Identity
) -> None:
    document = a_feed_document(identity.gateway_id, a_feed_model(ref="forged"))
    forged = a_signed_feed(document, key=Ed25519PrivateKey.generate())
    await setup.store.save(SNAPSHOT, msgspec.json.encode(forged))
    restarted = Setup(folder, identity)
    restarted.feed.restore()
    assert not restarted.news


async def test_what_the_release_before_kept_is_served_until_everything_is_told_anew(
    setup: Setup,
) -> None:
    await setup.store.save(SNAPSHOT, setup.line(a_feed_model()))
    setup.feed.restore()
    assert setup.news[0].models
    assert setup.feed.position is None


async def test_a_restriction_that_was_not_read_when_it_was_kept_still_closes_the_model(
    setup: Setup,
) -> None:
    restricted = a_feed_model(requires=(ALLOWED_NETWORKS,), allowed_networks=("::1/128",))
    setup.take(setup.line(restricted))
    await setup.feed.keep()
    stored = setup.store.load(SNAPSHOT)
    assert stored is not None
    members = msgspec.json.decode(stored)
    members["understood"].remove(ALLOWED_NETWORKS)
    await setup.store.save(SNAPSHOT, msgspec.json.encode(members))
    setup.feed.restore()
    models = setup.news[-1].models
    assert models is not None
    assert not models[0].is_understood
    assert setup.feed.position is None
    setup.take(setup.line(restricted))
    models = setup.news[-1].models
    assert models is not None
    assert models[0].is_understood


async def test_a_full_disk_is_told_once_and_tried_again(setup: Setup, folder: Path) -> None:
    (folder / "feed.sealed.new").mkdir()
    with capture_logs() as lines:
        await kept(setup)
        await setup.feed.keep()
        (folder / "feed.sealed.new").rmdir()
        await setup.feed.keep()
    assert [line["event"] for line in lines].count("feed_not_kept") == 1
    assert (folder / "feed.sealed").exists()


async def test_revocations_are_forgotten_when_no_token_is_left_for_them(setup: Setup) -> None:
    setup.now = time.time()
    soon = contract.RevokedCredential(credential="pat:7", until=int(setup.now) + 10)
    setup.take(setup.line(revocations=contract.Revocations(credentials=(soon,))))
    await setup.feed.keep()
    assert setup.revocations.kept().credentials == (soon,)
    setup.now += 100
    await setup.feed.keep()
    assert setup.revocations.kept().credentials == ()
