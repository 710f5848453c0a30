"""Gives and takes seats, and counts them so that none is given twice."""

from collections.abc import Sequence
from datetime import datetime

from appliance.accounts.rules import User
from appliance.accounts.usecases import get_user, raise_generation
from appliance.audit.rules import Actor, Target
from appliance.audit.usecases import record
from appliance.licensing import rules, tables
from appliance.licensing.errors import (
    NoSeatLeftError,
    SeatNeedsMembershipError,
    SeatNotFoundError,
    SeatNotNeededError,
    SeatUserBlockedError,
)
from appliance.licensing.rules import Purchase, Seat
from appliance.licensing.usecases.clock import licence_clock
from appliance.licensing.usecases.purchases import get_purchase
from appliance.namespaces.usecases import access_level, get_namespace
from appliance.storage.engine import Session
from appliance.storage.outbox import publish
from appliance.storage.paging import Page, Slice
from gateway.contract.catalog import load_catalog

TOPIC = "seat"


def list_seats(session: Session, purchase_id: int, page: Page, *, now: datetime) -> Slice[Seat]:
    """A page of a purchase's seats, oldest first.

    Raises:
        NotFoundError: no such purchase.
    """
    purchase = get_purchase(session, purchase_id)
    quantity = purchase.quantity(licence_clock(session, now=now))
    return tables.seat_page(session, purchase_id, page, quantity=quantity)


def assigned_quantity(session: Session, purchase_id: int) -> int:
    """How many seats of a purchase are given."""
    return tables.count_seats(session, [purchase_id])[purchase_id]


def give_seats(
    session: Session,
    purchase_id: int,
    user_ids: Sequence[int],
    *,
    actor: Actor,
    given_by: int | None,
    now: datetime,
) -> list[Seat]:
    """Gives each of the users a seat, or none of them; who has one keeps it.

    Best the first thing that a transaction does: then those who give at once take turns.

    Raises:
        NotFoundError: no such purchase or user.
        SeatNotNeededError: the add-on has no seats.
        SeatUserBlockedError, SeatNeedsMembershipError: a user who cannot have one.
        NoSeatLeftError: there are not enough.
    """
    tables.hold_seats(session)
    at = licence_clock(session, now=now)
    purchase = get_purchase(session, purchase_id)
    _check_has_seats(purchase)
    blocked = tables.drop_void_seats(session, purchase.id)
    _tell(session, purchase, blocked, actor=actor, change="taken", now=now)
    held = tables.users_with_seats(session, purchase.id, user_ids)
    fresh = [each for each in dict.fromkeys(user_ids) if each not in held]
    for user_id in fresh:
        _check_may_have(session, get_user(session, user_id), purchase, now=now)
    quantity = purchase.quantity(at)
    _check_room(session, purchase, wanted=len(fresh), quantity=quantity)
    tables.add_seats(session, purchase.id, fresh, given_by=given_by, now=at)
    _tell(session, purchase, fresh, actor=actor, change="given", now=now)
    return tables.seats_of(session, user_ids, {purchase.id: quantity})


def take_seats(
    session: Session, purchase_id: int, user_ids: Sequence[int], *, actor: Actor, now: datetime
) -> None:
    """Takes the seat of each of the users, or of none of them.

    Raises:
        NotFoundError: no such purchase.
        SeatNotFoundError: a user without a seat in it.
    """
    tables.hold_seats(session)
    purchase = get_purchase(session, purchase_id)
    if set(user_ids) - tables.users_with_seats(session, purchase.id, user_ids):
        raise SeatNotFoundError
    taken = list(dict.fromkeys(user_ids))
    tables.remove_seats(session, purchase.id, taken)
    _tell(session, purchase, taken, actor=actor, change="taken", now=now)


def _check_has_seats(purchase: Purchase) -> None:
    catalog = load_catalog()
    add_on = catalog.add_ons.get(purchase.add_on)
    if add_on is None or not add_on.has_seats:
        raise SeatNotNeededError(rules.title(purchase.add_on, catalog))


def _check_may_have(session: Session, user: User, purchase: Purchase, *, now: datetime) -> None:
    if user.state == "blocked":
        raise SeatUserBlockedError(user.username)
    if purchase.root_namespace_id is None:
        return
    namespace = get_namespace(session, purchase.root_namespace_id)
    if access_level(session, user, namespace, now=now) is None:
        raise SeatNeedsMembershipError(username=user.username, namespace=namespace.full_path)


def _check_room(session: Session, purchase: Purchase, *, wanted: int, quantity: int) -> None:
    given = assigned_quantity(session, purchase.id)
    # Who has a seat may ask for it again, also when more are given than owned.
    if wanted and not rules.has_room(given=given, wanted=wanted, quantity=quantity):
        title = rules.title(purchase.add_on, load_catalog())
        raise NoSeatLeftError(add_on=title, bought=quantity, given=given, wanted=wanted)


def _tell(
    session: Session,
    purchase: Purchase,
    user_ids: Sequence[int],
    *,
    actor: Actor,
    change: str,
    now: datetime,
) -> None:
    if not user_ids:
        return
    details = {"purchase": purchase.id, "add_on": purchase.add_on}
    for user_id in user_ids:
        target = Target(kind="user", id=str(user_id))
        record(session, f"seat_{change}", actor=actor, target=target, details=details, now=now)
    raise_generation(session, user_ids, now=now)
    payload = {"purchase": purchase.id, "users": list(user_ids), "change": change}
    publish(session, TOPIC, payload, now=now)
