"""What a restart knows of the groups, wherever the process ended."""

import asyncio
from pathlib import Path

import pytest

from gateway.contract.selection import Choice, Group
from gateway.errors import FeedRefusedError
from gateway.issuer.feed.groups import Groups
from gateway.issuer.feed.keeping import MANY, STOCK_EVERY_S, STOCKS, KeptGroups, Ledger
from gateway.issuer.identity import Identity
from gateway.issuer.snapshot import SnapshotStore

CHOICE = Choice("duo_chat", "a", narrowed_to=frozenset("ab"))


class Setup:
    """Groups, their ledger, and what a later process makes of what was kept."""

    def __init__(self, folder: Path, identity: Identity, *, groups: int) -> None:
        self.now = 1_800_000_000.0
        self.store = SnapshotStore(folder, identity)
        self.ledger = Ledger(self.store, clock=lambda: self.now)
        self.groups = Groups(Group(number) for number in range(1, groups + 1))
        self.ledger.start_over(self.groups)

    def change(self, *groups: Group, removed: tuple[int, ...] = ()) -> None:
        self.groups.remove(removed)
        self.groups.put(groups)
        self.ledger.note(groups, removed)

    async def keep(self) -> KeptGroups:
        await self.ledger.restock_if_due()
        kept = self.ledger.now()
        self.ledger.kept(kept)
        return kept

    def restarted(self, kept: KeptGroups) -> set[Group]:
        return set(Ledger(self.store, clock=lambda: self.now).restore(kept).everything())


@pytest.fixture
def folder(tmp_path: Path, identity: Identity) -> Path:
    del identity
    return tmp_path / "gateway"


@pytest.fixture
def large(folder: Path, identity: Identity) -> Setup:
    return Setup(folder, identity, groups=MANY + 1)


async def test_few_groups_need_no_stock(folder: Path, identity: Identity) -> None:
    setup = Setup(folder, identity, groups=MANY)
    setup.change(Group(1, 2, (CHOICE,)), removed=(3,))
    kept = await setup.keep()
    assert kept.stock is None
    assert setup.restarted(kept) == set(setup.groups.everything())
    assert not any((folder / f"{stock}.sealed").exists() for stock in STOCKS)


async def test_many_groups_are_a_stock_and_what_changed_since(large: Setup) -> None:
    assert (await large.keep()).changed == ()
    large.change(Group(5, None, (CHOICE,)), Group(9_999), removed=(7,))
    large.change(Group(9_999, 5), Group(7), removed=(8, 5_000))
    kept = await large.keep()
    assert len(kept.changed) + len(kept.removed) == 5
    assert large.ledger.stock_bytes > MANY
    assert large.restarted(kept) == set(large.groups.everything())


async def test_a_stock_is_made_again_when_much_has_changed_but_not_all_the_time(
    large: Setup,
) -> None:
    first = await large.keep()
    for number in range(MANY + 1):
        large.change(Group(number + 1, None, (CHOICE,)))
    early = await large.keep()
    large.now += STOCK_EVERY_S
    late = await large.keep()
    assert (first.stock, early.stock, late.stock) == (STOCKS[0], STOCKS[0], STOCKS[1])
    assert (len(early.changed), len(late.changed)) == (MANY + 1, 0)
    # Both are good: the later one may not have come to the disk.
    assert large.restarted(early) == large.restarted(late) == set(large.groups.everything())


async def test_the_stock_that_is_referred_to_on_the_disk_is_never_written_over(
    large: Setup,
) -> None:
    kept = await large.keep()
    before = large.restarted(kept)
    for _ in range(3):
        # The process ends, or the disk is full, before the rest of the moment is written.
        large.change(*(Group(number, 1) for number in range(2, MANY + 3)))
        large.now += STOCK_EVERY_S
        await large.ledger.restock_if_due()
        assert large.restarted(kept) == before


async def test_what_changes_while_the_stock_is_written_is_not_lost(large: Setup) -> None:
    writing = asyncio.create_task(large.ledger.restock_if_due())
    await asyncio.sleep(0)
    large.change(Group(5, 1, (CHOICE,)), removed=(7,))
    await writing
    kept = large.ledger.now()
    assert (kept.changed, kept.removed) == ((Group(5, 1, (CHOICE,)),), (7,))
    assert large.restarted(kept) == set(large.groups.everything())


async def test_everything_anew_while_the_stock_is_written_makes_it_void(large: Setup) -> None:
    writing = asyncio.create_task(large.ledger.restock_if_due())
    await asyncio.sleep(0)
    large.ledger.start_over(Groups([Group(1)]))
    await writing
    assert large.ledger.now() == KeptGroups(changed=(Group(1),))
    assert large.ledger.stock_bytes == 0


async def test_a_stock_that_cannot_be_written_changes_nothing(large: Setup, folder: Path) -> None:
    (folder / f"{STOCKS[0]}.sealed.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        await large.ledger.restock_if_due()
    large.change(Group(5, 1))
    kept = await large.keep()
    assert kept.stock is None
    assert large.restarted(kept) == set(large.groups.everything())


async def test_a_failed_stock_leaves_what_changed_since_the_one_before(
    large: Setup, folder: Path
) -> None:
    await large.keep()
    large.change(*(Group(number, 1) for number in range(2, MANY + 3)))
    large.now += STOCK_EVERY_S
    (folder / f"{STOCKS[1]}.sealed.new").mkdir()
    with pytest.raises(OSError, match="directory"):
        await large.ledger.restock_if_due()
    kept = large.ledger.now()
    assert kept.stock == STOCKS[0]
    assert large.restarted(kept) == set(large.groups.everything())


async def test_everything_anew_during_a_failing_stock_stays(large: Setup, folder: Path) -> None:
    (folder / f"{STOCKS[0]}.sealed.new").mkdir()
    writing = asyncio.create_task(large.ledger.restock_if_due())
    await asyncio.sleep(0)
    large.ledger.start_over(Groups([Group(1)]))
    with pytest.raises(OSError, match="directory"):
        await writing
    assert large.ledger.now() == KeptGroups(changed=(Group(1),))


async def test_a_restart_goes_on_from_the_stock(large: Setup) -> None:
    kept = await large.keep()
    ledger = Ledger(large.store, clock=lambda: large.now)
    groups = ledger.restore(kept)
    groups.put([Group(5, 1)])
    ledger.note([Group(5, 1)], [])
    again = ledger.now()
    assert (again.stock, again.changed) == (kept.stock, (Group(5, 1),))
    assert large.restarted(again) == set(groups.everything())


@pytest.mark.parametrize("damage", ["gone", "another"])
async def test_groups_of_another_moment_are_refused(
    large: Setup, folder: Path, damage: str
) -> None:
    kept = await large.keep()
    if damage == "gone":
        (folder / f"{STOCKS[0]}.sealed").unlink()
    else:
        await large.store.save(STOCKS[0], b"another mark\n[]")
    with pytest.raises(FeedRefusedError):
        large.restarted(kept)
