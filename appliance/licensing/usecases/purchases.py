"""What was bought, what it grants a user, and what an admin must know of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal

from appliance.accounts.errors import AdminNeededError
from appliance.accounts.rules import User
from appliance.errors import NotFoundError
from appliance.licensing import rules, tables
from appliance.licensing.rules import Grant, Holding, Purchase, State
from appliance.licensing.usecases.clock import licence_clock
from appliance.namespaces.rules import AccessLevel, Namespace
from appliance.namespaces.usecases import access_level, get_namespace
from appliance.storage.engine import MAX_ID, Session
from gateway.contract.catalog import Catalog, load_catalog

ALL: Final = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A purchase as an admin sees it; `ends_at` is the first moment of its grace.

    `owner` is the root group that it belongs to, None for the instance.
    """

    purchase: Purchase
    owner: Namespace | None
    title: str
    is_demo: bool
    quantity: int
    assigned: int
    state: State
    ends_at: datetime | None
    suspended_because: str | None
    warnings: tuple[str, ...]


def list_purchases(
    session: Session, *, root_namespace_id: int | Literal["all"] | None
) -> list[Purchase]:
    """The purchases of one root group, of the instance (None), or ALL; oldest first.

    They are to be judged at the licence clock's time.
    """
    if root_namespace_id == ALL:
        return tables.all_purchases(session)
    return tables.purchases_of(session, [root_namespace_id])


def get_purchase(session: Session, purchase_id: int) -> Purchase:
    """One purchase.

    Raises:
        NotFoundError: there is none of that number.
    """
    purchase = tables.purchase_of(session, purchase_id) if 0 < purchase_id <= MAX_ID else None
    if purchase is None:
        raise NotFoundError(what="Add-on purchase")
    return purchase


def holdings(
    session: Session, user: User, *, root_namespace_id: int | None, now: datetime
) -> list[Holding]:
    """Each purchase that bears on the user in a root group, or with None in no group."""
    at = licence_clock(session, now=now)
    owned = tables.purchases_of(session, {None, root_namespace_id})
    quantities = {purchase.id: purchase.quantity(at) for purchase in owned}
    seats = {seat.purchase_id: seat for seat in tables.seats_of(session, [user.id], quantities)}
    catalog = load_catalog()
    return [
        rules.holding(purchase, seats.get(purchase.id), owned=owned, catalog=catalog, at=at)
        for purchase in owned
    ]


def grant_of(
    session: Session,
    user: User,
    *,
    root_namespace_id: int | None,
    catalog: Catalog,
    now: datetime,
) -> Grant:
    """What purchases and seats together grant the user there."""
    held = holdings(session, user, root_namespace_id=root_namespace_id, now=now)
    return rules.grant(held, catalog, at=licence_clock(session, now=now))


def is_saas(session: Session, *, now: datetime) -> bool:
    """Whether a root group owns something now, so that purchases are per group."""
    return tables.is_any_owned_by_a_group(session, at=licence_clock(session, now=now))


def reports(
    session: Session, *, root_namespace_id: int | Literal["all"] | None, now: datetime
) -> list[Report]:
    """Purchases with their seats and with what an admin must do about them, oldest first."""
    at = licence_clock(session, now=now)
    owned = list_purchases(session, root_namespace_id=root_namespace_id)
    trusted = tables.trusted_authority(session)
    circumstances = _Circumstances(
        owned=owned,
        assigned=tables.count_seats(session, [purchase.id for purchase in owned]),
        owners={root: get_namespace(session, root) for root in _roots(owned)},
        # Once a real authority is trusted, what a demo one signed no longer counts.
        is_demo=trusted is not None and trusted.is_demo,
        at=at,
    )
    return [_report(each, circumstances) for each in owned]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Circumstances:
    owned: Sequence[Purchase]
    assigned: Mapping[int, int]
    owners: Mapping[int, Namespace]
    is_demo: bool
    at: datetime


def _roots(owned: Sequence[Purchase]) -> set[int]:
    return {each.root_namespace_id for each in owned if each.root_namespace_id is not None}


def _report(purchase: Purchase, among: _Circumstances) -> Report:
    catalog, at, owner = load_catalog(), among.at, purchase.root_namespace_id
    title, quantity = rules.title(purchase.add_on, catalog), purchase.quantity(at)
    assigned = among.assigned[purchase.id]
    suspended = rules.suspended_because(purchase, among.owned, catalog, at=at)
    warnings = (
        rules.life_warning(purchase, title=title, at=at),
        rules.limit_warning(title=title, quantity=quantity, given=assigned),
        suspended,
    )
    return Report(
        purchase=purchase,
        owner=among.owners[owner] if owner is not None else None,
        title=title,
        is_demo=among.is_demo,
        quantity=quantity,
        assigned=assigned,
        state=purchase.state(at),
        ends_at=purchase.ends_at(at),
        suspended_because=suspended,
        warnings=tuple(each for each in warnings if each is not None),
    )


def check_may_read(
    session: Session, user: User, *, root_namespace_id: int | None, now: datetime
) -> None:
    """Passes for an admin, and for an owner of the root group that a purchase belongs to.

    Raises:
        AdminNeededError: it belongs to the instance, or to all.
        NotFoundError: the group's purchases are none of the user's business.
    """
    if user.is_admin:
        return
    if root_namespace_id is None:
        raise AdminNeededError
    namespace = get_namespace(session, root_namespace_id)
    if access_level(session, user, namespace, now=now) != AccessLevel.OWNER:
        raise NotFoundError(what="Add-on purchase")
