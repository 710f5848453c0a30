"""This gateway's copy of what the instance feeds: checked, merged, kept across restarts."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

import msgspec
import structlog

from gateway.contract import feed
from gateway.contract.feed import FeedDocument, FeedKey, FeedModel, SignedFeed, SwitchedOff
from gateway.contract.selection import Choice, Feature, Group
from gateway.errors import FeedRefusedError
from gateway.issuer.feed.groups import Groups
from gateway.issuer.feed.keeping import SNAPSHOT, Kept, Ledger
from gateway.issuer.feed.known_models import UNDERSTOOD, KnownModel, open_models
from gateway.issuer.feed.revocations import Revocations
from gateway.issuer.feed.state import (
    Course,
    is_heartbeat,
    merged,
    read_feed,
    speaks_of_selections,
)
from gateway.issuer.identity import Identity
from gateway.issuer.pins import Pin
from gateway.issuer.snapshot import SnapshotStore

SWEEP_EVERY_S = 60.0

# Everything of a document that this release reads. What was kept by one that read less lacks the
# rest, which may be a restriction.
_READS = (
    *FeedDocument.__struct_fields__,
    *FeedModel.__struct_fields__,
    *feed.Revocations.__struct_fields__,
    *SwitchedOff.__struct_fields__,
    *Feature.__struct_fields__,
    *Choice.__struct_fields__,
    *Group.__struct_fields__,
)

log = structlog.get_logger()


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """A document that was read; `groups` are those of a document of everything, joined."""

    document: FeedDocument
    groups: Groups | None


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownSelections:
    """All that is known of what to choose and of what is chosen.

    `features` None: nothing, the instance is a release older. `groups` are the feed's own.
    """

    features: tuple[Feature, ...] | None
    groups: Groups


@dataclass(frozen=True, slots=True, kw_only=True)
class News:
    """What a document says; None is as it was.

    `issuers` empty: the instance does not say. `confirms_keys`: the published keys are those that
    this feed brought, now.
    """

    models: tuple[KnownModel, ...] | None
    keys: tuple[FeedKey, ...] | None
    issuers: tuple[str, ...] | None
    switched_off: tuple[SwitchedOff, ...] | None
    revocations: feed.Revocations | None
    selections: KnownSelections | None
    confirms_keys: bool


class Feed:
    """What the instance said so far.

    `on_news` is called with each document that is taken over, after `revocations` have it.
    """

    def __init__(
        self,
        *,
        identity: Identity,
        pin: Pin,
        store: SnapshotStore,
        revocations: Revocations,
        clock: Callable[[], float],
        on_news: Callable[[News], None],
    ) -> None:
        self._identity = identity
        self._pin = pin
        self._store = store
        self._revocations = revocations
        self._clock = clock
        self._on_news = on_news
        self._known: FeedDocument | None = None
        self._groups = Groups()
        self._ledger = Ledger(store, clock=clock)
        self._understood = UNDERSTOOD
        self._opened_for: tuple[str, ...] = ()
        self._is_whole = False
        self._is_dirty = False
        self._failed_to_keep = False
        self._kept_bytes = 0
        self._heard_at = float("-inf")
        self._swept_at = float("-inf")
        self.is_connected = False
        """Whether the instance can tell us something at this moment."""
        self.refused = 0
        """How many documents were not taken over, in this process."""
        self.clock_skew_s = 0.0
        """How far our clock is ahead of the instance's, with the way of the document in it."""

    @property
    def has_document(self) -> bool:
        """Whether any configuration is known, from now or from before."""
        return self._known is not None

    @property
    def number(self) -> tuple[int, int]:
        """Epoch and sequence of what is known; zeros before anything is."""
        return (self._known.epoch, self._known.sequence) if self._known else (0, 0)

    @property
    def position(self) -> tuple[int, int] | None:
        """Where the instance may go on from; None to be told everything."""
        return self.number if self._is_whole else None

    @property
    def groups_known(self) -> int:
        """How many groups the instance tells of."""
        return len(self._groups)

    @property
    def features_known(self) -> int:
        """Of how many features the instance says something."""
        return len(self._known.features or ()) if self._known else 0

    @property
    def kept_bytes(self) -> int:
        """How much of it is kept for a restart, before it is sealed."""
        return self._kept_bytes + self._ledger.stock_bytes

    @property
    def age_s(self) -> float:
        """For how long nothing was heard; infinite before the first document of this process."""
        # A clock that was set back must not make an old word a fresh one.
        return abs(self._clock() - self._heard_at)

    def restore(self) -> None:
        """Takes over what an earlier process kept."""
        stored = self._store.load(SNAPSHOT)
        if stored is None:
            return
        try:
            kept = self._read_kept(stored)
            self._groups = self._ledger.restore(kept.groups)
        except (msgspec.DecodeError, FeedRefusedError) as error:
            log.warning("stored_feed_refused", reason=str(error))
            return
        self._known = kept.document
        self._kept_bytes = len(stored)
        self._understood = UNDERSTOOD.intersection(kept.understood)
        self._revocations.apply(kept.revocations, is_snapshot=True)
        self._hand_on(kept.document, kept.revocations, is_fresh=False)
        self._is_whole = kept.reads == _READS and self._understood == UNDERSTOOD
        log.info("feed_restored", epoch=kept.document.epoch, sequence=kept.document.sequence)

    def _read_kept(self, stored: bytes) -> Kept:
        try:
            kept = msgspec.json.decode(stored, type=Kept)
        except msgspec.ValidationError:
            # As the release before this one kept it: the snapshot as it was signed.
            signed = msgspec.json.decode(stored, type=SignedFeed)
            document = read_feed(signed, pin=self._pin, gateway_id=self._identity.gateway_id)
            kept = Kept(
                document=merged(None, document),
                revocations=feed.Revocations(),
                reads=(),
                understood=tuple(UNDERSTOOD),
            )
        if kept.document.instance_id != self._pin.instance_id:
            raise FeedRefusedError(reason="it is of another instance")
        return kept

    def read(self, line: bytes) -> Told:
        """The document in a line, if it is our instance's and for us; may run in any thread.

        Raises:
            FeedRefusedError: it is not.
        """
        try:
            signed = msgspec.json.decode(line, type=SignedFeed)
            document = read_feed(signed, pin=self._pin, gateway_id=self._identity.gateway_id)
        except msgspec.DecodeError as cause:
            self.refused += 1
            raise FeedRefusedError(reason=f"the feed is not JSON: {cause}") from cause
        except FeedRefusedError:
            self.refused += 1
            raise
        return Told(
            document=document, groups=Groups(document.groups) if document.since is None else None
        )

    def take(self, told: Told, *, course: Course | None = None) -> None:
        """Takes over one document; `course` is that of the stream it came in.

        Raises:
            FeedRefusedError: it cannot be; everything stays as it was.
        """
        document = told.document
        try:
            _check_order(document, course)
            known = merged(self._known, document)
        except FeedRefusedError:
            self.refused += 1
            raise
        is_snapshot = document.since is None
        if is_snapshot:
            self._understood = UNDERSTOOD
        self._is_whole = False
        self._known = known
        self._take_groups(told)
        self._revocations.apply(document.revocations, is_snapshot=is_snapshot)
        self.confirm()
        if document.clock_ms:
            self.clock_skew_s = self._clock() - document.clock_ms / 1000
        self._hand_on(document, document.revocations, is_fresh=True)
        # Only now: what could not be handed on must come again.
        self._is_whole = True
        if not is_heartbeat(document):
            self._is_dirty = True
            log.info("feed_taken_over", epoch=document.epoch, sequence=document.sequence)

    def _take_groups(self, told: Told) -> None:
        changed, removed = told.document.groups, told.document.removed_groups
        if told.groups is not None:
            self._groups = told.groups
            self._ledger.start_over(told.groups)
        else:
            self._groups.remove(removed)
            self._groups.put(changed)
            self._ledger.note(changed, removed)

    def confirm(self) -> None:
        """The instance says that nothing has changed."""
        self._heard_at = self._clock()

    def forget_position(self) -> None:
        """Asks for everything the next time."""
        self._is_whole = False

    def _hand_on(
        self, document: FeedDocument, revocations: feed.Revocations | None, *, is_fresh: bool
    ) -> None:
        known = self._known
        assert known is not None  # noqa: S101  # set by the callers
        is_snapshot = document.since is None
        is_of_models = document.models or document.removed_models
        opened = None
        # Each API key that is opened costs as much as everything else of a change.
        if is_snapshot or is_of_models or known.requires != self._opened_for:
            self._opened_for = known.requires
            opened = open_models(
                known.models,
                self._identity,
                requires=known.requires,
                understood=self._understood,
            )
        issuers = known.issuers or () if is_snapshot else document.issuers
        if issuers and not is_fresh:
            # The pin may be newer than what was kept: the instance goes by another name by now.
            issuers = tuple(dict.fromkeys((self._pin.issuer, *issuers)))
        selections = None
        if is_snapshot or speaks_of_selections(document):
            selections = KnownSelections(features=known.features, groups=self._groups)
        news = News(
            models=opened,
            keys=document.keys if is_fresh else None,
            issuers=issuers,
            switched_off=known.switched_off or () if is_snapshot else document.switched_off,
            revocations=revocations,
            selections=selections,
            confirms_keys=is_fresh and known.keys is not None,
        )
        self._on_news(news)

    async def keep(self) -> None:
        """Saves what has changed since the last time; called a few times a second."""
        now = self._clock()
        if abs(now - self._swept_at) >= SWEEP_EVERY_S:
            self._revocations.sweep(now)
            self._swept_at = now
        if not self._is_dirty:
            return
        try:
            await self._ledger.restock_if_due()
            await self._save()
        except OSError as error:
            if not self._failed_to_keep:
                log.error("feed_not_kept", reason=str(error))  # noqa: TRY400  # the trace says no more
            self._failed_to_keep = True
        else:
            self._failed_to_keep = False

    async def _save(self) -> None:
        assert self._known is not None  # noqa: S101  # what is dirty is known
        # All of it at one moment, before the next wait.
        kept = Kept(
            document=self._known,
            revocations=self._revocations.kept(),
            reads=_READS,
            understood=tuple(self._understood),
            groups=self._ledger.now(),
        )
        # Before the write: what changes during it is for the next one.
        self._is_dirty = False
        try:
            content = await asyncio.to_thread(msgspec.json.encode, kept)
            await self._store.save(SNAPSHOT, content)
        except BaseException:
            self._is_dirty = True
            raise
        self._ledger.kept(kept.groups)
        self._kept_bytes = len(content)


def _check_order(document: FeedDocument, course: Course | None) -> None:
    if course is not None:
        course.check(document)
    elif document.since is not None or document.stream is not None:
        raise FeedRefusedError(reason="the document is of a stream")
