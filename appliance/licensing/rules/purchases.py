"""What purchases and seats grant, and when a purchase stands still."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from gateway.contract.catalog import Catalog

State = Literal["future", "active", "grace", "expired"]

# The order in which the states of a purchase's items decide its own.
_BEST_FIRST: tuple[State, ...] = ("active", "grace", "future", "expired")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """What a user may do: unit primitives as `scopes`, entitlements as `providers`.

    `ends_at` is the earliest moment at which any part of it ends, grace included.
    """

    scopes: frozenset[str]
    providers: frozenset[str]
    ends_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Item:
    """What one licence adds to a purchase; each end is outside."""

    licence_id: int
    quantity: int
    starts_at: datetime
    ends_at: datetime
    grace_ends_at: datetime
    accompanies: str | None

    def state(self, at: datetime) -> State:
        """Where `at` lies in its life."""
        if at < self.starts_at:
            return "future"
        if at < self.ends_at:
            return "active"
        return "grace" if at < self.grace_ends_at else "expired"


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """An add-on of the instance (`root_namespace_id` None) or of one root group."""

    id: int
    add_on: str
    root_namespace_id: int | None
    items: tuple[Item, ...]

    def state(self, at: datetime) -> State:
        """The best of its items' states."""
        states = {item.state(at) for item in self.items}
        return next((state for state in _BEST_FIRST if state in states), "expired")

    def quantity(self, at: datetime, *, accompanying: str | None = None) -> int:
        """How much is owned at `at`: what is active, and what is in grace and not yet renewed.

        `accompanying` narrows it to what goes with that add-on.
        """
        items = [i for i in self.items if accompanying is None or i.accompanies == accompanying]
        active = [item for item in items if item.state(at) == "active"]
        grace = [item for item in items if item.state(at) == "grace"]
        # Otherwise a renewal would double what was bought until the old licence's grace is over.
        first_end = min((item.ends_at for item in grace), default=at)
        renewed = _sum(item for item in active if item.starts_at >= first_end)
        return _sum(active) + max(0, _sum(grace) - renewed)

    def accompanied(self, at: datetime) -> list[str]:
        """The add-ons that what is owned now goes with, by name."""
        owned = [item for item in self.items if item.state(at) in {"active", "grace"}]
        return sorted({item.accompanies for item in owned if item.accompanies is not None})

    def ends_at(self, at: datetime) -> datetime | None:
        """When the last that is owned or to come ends, grace not counted; None if all is over."""
        alive = [item.ends_at for item in self.items if item.state(at) != "expired"]
        return max(alive, default=None)


def _sum(items: Iterable[Item]) -> int:
    return sum(item.quantity for item in items)


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What a licence buys: an item, of which add-on and for whom."""

    add_on: str
    root_namespace_id: int | None
    item: Item


@dataclass(frozen=True, slots=True, kw_only=True)
class Licence:
    """A licence that was added; it no longer counts once a real authority replaced its demo one."""

    id: int
    serial: str
    licensee: str
    authority: str
    is_demo: bool
    counts: bool
    issued_at: datetime
    uploaded_at: datetime
    uploaded_by: int | None
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """A user's place in a purchase; those given beyond what is owned are over the limit."""

    id: int
    purchase_id: int
    user_id: int
    given_at: datetime
    given_by: int | None
    is_over_limit: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """One purchase that bears on one user; `seat` is theirs, where the add-on has seats."""

    purchase: Purchase
    seat: Seat | None
    is_suspended: bool
    suspended_because: str | None


def is_over_limit(*, older: int, quantity: int) -> bool:
    """Whether a seat that `older` ones of its purchase come before has no place any more."""
    return older >= quantity


def has_room(*, given: int, wanted: int, quantity: int) -> bool:
    """Whether `wanted` more seats can be given."""
    return given + wanted <= quantity


def suspended_because(
    purchase: Purchase, owned: Sequence[Purchase], catalog: Catalog, *, at: datetime
) -> str | None:
    """Why a purchase that goes with another grants nothing now; None when it does.

    Its quantity must equal that of what it accompanies, bought by the same owner; `owned` may
    hold purchases of others, which do not count.
    """
    for name in purchase.accompanied(at):
        own = purchase.quantity(at, accompanying=name)
        other = sum(
            each.quantity(at)
            for each in owned
            if each.add_on == name and each.root_namespace_id == purchase.root_namespace_id
        )
        if own != other:
            return (
                f"{title(purchase.add_on, catalog)} is suspended: {own} of it were bought to go "
                f"with {title(name, catalog)}, of which there are {other}, and both must be equal. "
                "Add a licence that makes them equal."
            )
    return None


def holding(
    purchase: Purchase,
    seat: Seat | None,
    *,
    owned: Sequence[Purchase],
    catalog: Catalog,
    at: datetime,
) -> Holding:
    """The purchase as it bears on the user who has that seat, or none."""
    reason = suspended_because(purchase, owned, catalog, at=at)
    return Holding(
        purchase=purchase, seat=seat, is_suspended=reason is not None, suspended_because=reason
    )


def opens(held: Holding, catalog: Catalog, *, at: datetime) -> frozenset[str]:
    """The unit primitives that one holding opens at `at`."""
    add_on = catalog.add_ons.get(held.purchase.add_on)
    if add_on is None or held.is_suspended or held.purchase.quantity(at) == 0:
        return frozenset()
    if add_on.has_seats and (held.seat is None or held.seat.is_over_limit):
        return frozenset()
    return frozenset(add_on.opens)


def entitles(held: Holding, catalog: Catalog, *, at: datetime) -> frozenset[str]:
    """The providers that one holding entitles to at `at`; a seat has no part in it."""
    add_on = catalog.add_ons.get(held.purchase.add_on)
    if add_on is None or held.is_suspended or held.purchase.quantity(at) == 0:
        return frozenset()
    return frozenset(add_on.entitles)


def grant(holdings: Sequence[Holding], catalog: Catalog, *, at: datetime) -> Grant:
    """Everything that holdings give together; the two dimensions are never multiplied."""
    scopes = frozenset[str]().union(*(opens(held, catalog, at=at) for held in holdings))
    providers = frozenset[str]().union(*(entitles(held, catalog, at=at) for held in holdings))
    # All of them, also what opens nothing here: a purchase may hang on the quantity of another.
    ends = [
        item.grace_ends_at
        for held in holdings
        for item in held.purchase.items
        if not held.is_suspended and item.state(at) in {"active", "grace"}
    ]
    ends_at = min(ends, default=None) if scopes or providers else None
    return Grant(scopes=scopes, providers=providers, ends_at=ends_at)


def title(add_on: str, catalog: Catalog) -> str:
    """An add-on's name for people; its own where the catalogue lacks it."""
    known = catalog.add_ons.get(add_on)
    return known.title if known is not None else add_on
