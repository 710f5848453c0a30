"""What of the feed outlives the process, so that all of it is of one moment, whenever that ends."""

import asyncio
import secrets
from collections.abc import Callable, Iterable

import msgspec

from gateway.contract import feed
from gateway.contract.feed import FeedDocument
from gateway.contract.selection import Group
from gateway.errors import FeedRefusedError
from gateway.issuer.feed.groups import Groups
from gateway.issuer.snapshot import SnapshotStore

SNAPSHOT = "feed"
# Two, because the one that is referred to stays until the other is.
STOCKS = ("feed_groups_1", "feed_groups_2")
# More changed groups than this many, and than this part of all, are a reason for a new stock.
MANY = 1_000
PART_OF_ALL = 16
STOCK_EVERY_S = 5.0
# As many are encoded at a time, so that no answer under way waits for more.
AT_A_TIME = 2_000

_groups = msgspec.json.Decoder(tuple[Group, ...])


class KeptGroups(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All groups: those of the blob `stock`, if one is named, and what changed since then.

    `mark` is what that blob says of itself.
    """

    stock: str | None = None
    mark: str = ""
    changed: tuple[Group, ...] = ()
    removed: tuple[int, ...] = ()


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """What outlives the process; the release that kept it read `reads` of a document.

    It understood `understood` of what the document requires.
    """

    document: FeedDocument
    revocations: feed.Revocations
    reads: tuple[str, ...]
    understood: tuple[str, ...]
    groups: KeptGroups = KeptGroups()


class Ledger:
    """Keeps groups at the cost of what changed: a stock of all, now and then, and what is since.

    `clock` gives seconds since the epoch.
    """

    def __init__(self, store: SnapshotStore, *, clock: Callable[[], float]) -> None:
        self._store = store
        self._clock = clock
        self._all = Groups()
        self._stock: str | None = None
        self._mark = ""
        self._changed: dict[int, Group | None] = {}
        self._referred: str | None = None
        self._tried_at = float("-inf")
        self.stock_bytes = 0
        """How large the stock is, before it is sealed; 0 without one."""

    def start_over(self, groups: Groups) -> None:
        """These are all groups from now on; `note` must hear of each change of them."""
        self._all = groups
        self._stock, self._mark, self._changed, self.stock_bytes = None, "", {}, 0

    def note(self, changed: Iterable[Group], removed: Iterable[int]) -> None:
        """Remembers what has changed."""
        if self._stock is not None:
            self._changed.update(dict.fromkeys(removed))
            self._changed.update({each.id: each for each in changed})

    def now(self) -> KeptGroups:
        """All groups of this moment, to be kept with the rest of it."""
        if self._stock is None:
            return KeptGroups(changed=self._all.everything())
        return KeptGroups(
            stock=self._stock,
            mark=self._mark,
            changed=tuple(each for each in self._changed.values() if each is not None),
            removed=tuple(name for name, each in self._changed.items() if each is None),
        )

    def kept(self, groups: KeptGroups) -> None:
        """What `now` said is on the disk, with the rest of its moment."""
        self._referred = groups.stock

    async def restock_if_due(self) -> None:
        """Saves all groups beside the stock that is referred to, once much has changed.

        Raises:
            OSError: it could not; the old stock is still good.
        """
        since = len(self._all) if self._stock is None else len(self._changed)
        is_much = since > max(MANY, len(self._all) // PART_OF_ALL)
        if not is_much or abs(self._clock() - self._tried_at) < STOCK_EVERY_S:
            return
        self._tried_at = self._clock()
        groups, everything = self._all, self._all.everything()
        before = self._stock, self._mark, self._changed
        # Before the first wait: what changes from here on is not in it.
        stock = next(each for each in STOCKS if each != self._referred)
        mark = secrets.token_hex(8)
        self._stock, self._mark, self._changed = stock, mark, {}
        try:
            content = await asyncio.to_thread(_encode, mark, everything)
            await self._store.save(stock, content)
        except BaseException:
            if self._all is groups:
                self._stock, self._mark = before[:2]
                self._changed = before[2] | self._changed
            raise
        if self._all is groups:
            self.stock_bytes = len(content)

    def restore(self, kept: KeptGroups) -> Groups:
        """All groups that were kept.

        Raises:
            FeedRefusedError: the stock is gone or another: nothing is known of the groups.
        """
        groups = Groups()
        stock = b"" if kept.stock is None else self._store.load(kept.stock) or b""
        if kept.stock is not None:
            groups.put(_decode(stock, mark=kept.mark))
        groups.remove(kept.removed)
        groups.put(kept.changed)
        self._all, self._stock, self._mark = groups, kept.stock, kept.mark
        self._changed = {**dict.fromkeys(kept.removed), **{each.id: each for each in kept.changed}}
        self._referred, self.stock_bytes = kept.stock, len(stock)
        return groups


def _encode(mark: str, groups: tuple[Group, ...]) -> bytes:
    starts = range(0, len(groups), AT_A_TIME)
    lines = (msgspec.json.encode(groups[start : start + AT_A_TIME]) for start in starts)
    return b"\n".join((mark.encode(), *lines))


def _decode(stock: bytes, *, mark: str) -> Iterable[Group]:
    said, *lines = stock.split(b"\n")
    if said != mark.encode():
        raise FeedRefusedError(reason="its groups are of another moment, or gone")
    return [group for line in lines for group in _groups.decode(line)]
