"""A gateway that follows the documents of an instance, without a connection."""

import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import msgspec

from appliance.gateway_feed import usecases
from appliance.gateway_feed.usecases import Sources, Step, Wish
from appliance.storage.engine import Db, Session
from appliance.storage.identity import read_identity
from gateway.contract.claims import Claims
from gateway.contract.selection import SWITCHING_FLAG, Effective
from gateway.issuer.feed.feed import Feed, News
from gateway.issuer.feed.revocations import Revocations
from gateway.issuer.feed.state import Course
from gateway.issuer.identity import Identity
from gateway.issuer.pins import Pin
from gateway.issuer.snapshot import SnapshotStore
from gateway.policy.selections import Selections
from tests.builders import some_claims
from tests.instance_builders import NOW, GatewayKeys


class FollowingGateway:
    """What a gateway makes of the stream of its instance, where it is registered with `keys`."""

    def __init__(self, db: Db, keys: GatewayKeys, *, sources: Sources, folder: Path) -> None:
        self._db = db
        self._sources = sources
        self._now = NOW
        self.selections = Selections()
        identity = Identity(gateway_id=keys.id, signing=keys.signing, sealing=keys.sealing)
        self.pin = Pin(
            instance_id=db.read_blocking(read_identity).instance_id,
            feed_key=db.read_blocking(usecases.feed_public_key),
            issuer="http://instance.test",
            instance_url="http://instance.test",
        )
        self.feed = Feed(
            identity=identity,
            pin=self.pin,
            store=SnapshotStore(folder, identity),
            revocations=Revocations(),
            clock=NOW.timestamp,
            on_news=self._hear,
        )
        self._wish = Wish(gateway_id=keys.id, stream="s")
        self.told_s: list[float] = []
        """How long the instance took for each document."""
        self.taken_s: list[float] = []
        """How long this gateway took for each."""
        self.heard_bytes = 0
        """How long the last line was."""
        self.start_over()

    def start_over(self) -> None:
        """Opens a stream, and takes over everything."""
        self._course = Course("s")
        self._step = self._take(
            lambda session: usecases.open_stream(
                session, self._wish, sources=self._sources, now=self._now
            )
        )

    def _hear(self, news: News) -> None:
        if news.switched_off is not None:
            self.selections.switch_off(news.switched_off)
        if news.selections is not None:
            self.selections.replace(news.selections.features, news.selections.groups)

    def _take(self, work: Callable[[Session], Step | None]) -> Step:
        began = time.perf_counter()
        step = self._db.read_blocking(work)
        assert step is not None
        line = msgspec.json.encode(step.signed)
        told = time.perf_counter()
        self.feed.take(self.feed.read(line), course=self._course)
        self.told_s.append(told - began)
        self.taken_s.append(time.perf_counter() - told)
        self.heard_bytes = len(line)
        return step

    def follow(self) -> None:
        """Takes over what has changed."""
        # No two documents of a stream are of the same moment.
        self._now += timedelta(milliseconds=1)
        self._step = self._take(
            lambda session: usecases.go_on(
                session, self._step.standpoint, sources=self._sources, now=self._now
            )
        )

    def effective(self, feature: str, group_id: int | None) -> Effective:
        """What holds for a token of that group, whose bearer may switch."""
        claims = msgspec.convert(some_claims(ns=group_id, flags=[SWITCHING_FLAG]), Claims)
        found = self.selections.effective(feature, claims)
        assert found is not None
        return found
