from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from appliance.licensing import rules
from appliance.licensing.rules import Grant, Holding, Item, Purchase, Seat
from tests.instance_builders import NOW
from tests.licence_builders import a_catalog, a_purchase, an_item

CATALOG = a_catalog()
DAY = timedelta(days=1)
ADD_ONS = ["seated", "free", "hosting", "both"]


def a_seat(**changes: Any) -> Seat:
    fields = {"id": 1, "purchase_id": 1, "user_id": 7, "given_at": NOW, "given_by": None}
    return Seat(**{**fields, "is_over_limit": False, **changes})


def held(
    purchase: Purchase, seat: Seat | None = None, *, beside: tuple[Purchase, ...] = ()
) -> Holding:
    return rules.holding(purchase, seat, owned=(purchase, *beside), catalog=CATALOG, at=NOW)


def granted(*holdings: Holding) -> Grant:
    return rules.grant(holdings, CATALOG, at=NOW)


def hosting(quantity: int = 10, **changes: Any) -> Purchase:
    item = an_item(quantity, accompanies="seated", **changes)
    return a_purchase("hosting", item, id=2)


def test_the_start_is_inside_and_each_end_outside() -> None:
    item = an_item()
    just_before = timedelta(microseconds=1)
    assert item.state(item.starts_at - just_before) == "future"
    assert item.state(item.starts_at) == "active"
    assert item.state(item.ends_at - just_before) == "active"
    assert item.state(item.ends_at) == "grace"
    assert item.state(item.grace_ends_at - just_before) == "grace"
    assert item.state(item.grace_ends_at) == "expired"


def test_a_purchase_without_items_is_expired() -> None:
    purchase = Purchase(id=1, add_on="seated", root_namespace_id=None, items=())
    assert (purchase.state(NOW), purchase.quantity(NOW)) == ("expired", 0)
    assert purchase.ends_at(NOW) is None


def test_active_licences_and_those_in_grace_add_up() -> None:
    purchase = a_purchase("seated", an_item(10), an_item(5), an_item(3, ends_at=NOW - DAY))
    assert (purchase.quantity(NOW), purchase.state(NOW)) == (18, "active")


def test_a_renewal_takes_the_place_of_the_grace() -> None:
    old = an_item(10, ends_at=NOW - DAY)
    assert a_purchase("seated", old, an_item(10, starts_at=old.ends_at)).quantity(NOW) == 10
    assert a_purchase("seated", old, an_item(4, starts_at=old.ends_at)).quantity(NOW) == 10
    assert a_purchase("seated", old, an_item(30, starts_at=old.ends_at)).quantity(NOW) == 30


def test_the_last_end_of_what_is_not_over_is_the_purchases() -> None:
    purchase = a_purchase("seated", an_item(ends_at=NOW - 90 * DAY), an_item(ends_at=NOW + DAY))
    assert purchase.ends_at(NOW) == NOW + DAY


def test_a_seat_opens_features_and_no_provider() -> None:
    end = an_item().grace_ends_at
    opened = granted(held(a_purchase(), a_seat()))
    assert opened == Grant(
        scopes=frozenset({"chat", "complete"}), providers=frozenset(), ends_at=end
    )


def test_without_a_seat_nothing_opens() -> None:
    assert granted(held(a_purchase())) == Grant(
        scopes=frozenset(), providers=frozenset(), ends_at=None
    )


def test_an_add_on_without_seats_opens_for_everybody() -> None:
    assert granted(held(a_purchase("free"))).scopes == {"complete"}


def test_a_provider_needs_no_seat_even_where_there_are_seats() -> None:
    assert granted(held(a_purchase("both"))).providers == {"q"}


def test_a_seat_over_the_limit_opens_nothing() -> None:
    assert not granted(held(a_purchase(), a_seat(is_over_limit=True))).scopes


def test_an_add_on_that_this_release_lacks_grants_nothing() -> None:
    assert not granted(held(a_purchase("unheard"), a_seat())).scopes
    assert not granted(held(a_purchase("unheard"), a_seat())).providers


def test_hosting_entitles_while_the_numbers_are_equal() -> None:
    both = held(hosting(), beside=(a_purchase(),)), held(a_purchase(), a_seat())
    assert granted(*both).providers == {"shm"}


@pytest.mark.parametrize("quantity", [9, 11])
def test_unequal_numbers_suspend_and_say_why(quantity: int) -> None:
    suspended = held(hosting(quantity), beside=(a_purchase(),))
    assert suspended.is_suspended
    assert suspended.suspended_because is not None
    assert f"{quantity} of it" in suspended.suspended_because
    assert not granted(suspended).providers


def test_hosting_for_what_nobody_bought_is_suspended() -> None:
    assert held(hosting()).is_suspended


def test_the_numbers_of_another_owner_do_not_count() -> None:
    elsewhere = a_purchase(root_namespace_id=4)
    assert held(hosting(), beside=(elsewhere,)).is_suspended


def test_hosting_that_is_over_is_not_called_suspended() -> None:
    assert not held(hosting(ends_at=NOW - 100 * DAY)).is_suspended


def test_the_grant_ends_with_the_first_part_of_it() -> None:
    early, late = an_item(5, ends_at=NOW + DAY), an_item(5)
    seated = a_purchase("seated", early, late)
    both = held(seated, a_seat()), held(hosting(), beside=(seated,))
    assert granted(*both).ends_at == early.grace_ends_at


def test_seats_fit_up_to_the_last() -> None:
    assert rules.has_room(given=9, wanted=1, quantity=10)
    assert not rules.has_room(given=9, wanted=2, quantity=10)


def test_an_unknown_add_on_goes_by_its_own_name() -> None:
    assert rules.title("seated", CATALOG) == "Seated"
    assert rules.title("unheard", CATALOG) == "unheard"


moments = st.integers(-60, 60).map(lambda days: NOW + timedelta(days=days))


@st.composite
def items(draw: st.DrawFn) -> Item:
    starts_at = draw(moments)
    ends_at = starts_at + timedelta(days=draw(st.integers(1, 60)))
    return Item(
        licence_id=1,
        quantity=draw(st.integers(1, 4)),
        starts_at=starts_at,
        ends_at=ends_at,
        grace_ends_at=ends_at + timedelta(days=draw(st.integers(0, 20))),
        accompanies=None,
    )


@st.composite
def organisations(draw: st.DrawFn) -> list[Holding]:
    names = draw(st.lists(st.sampled_from(ADD_ONS), unique=True))
    owned = []
    for number, name in enumerate(names, 1):
        bought = draw(st.lists(items(), max_size=3))
        goes_with = "seated" if name == "hosting" else None
        bought = [
            an_item(each.quantity, starts_at=each.starts_at, ends_at=each.ends_at,
                    grace_ends_at=each.grace_ends_at, accompanies=goes_with)
            for each in bought
        ]  # fmt: skip
        owned.append(Purchase(id=number, add_on=name, root_namespace_id=None, items=tuple(bought)))
    seats = [draw(st.none() | st.builds(a_seat, is_over_limit=st.booleans())) for _ in owned]
    return [
        rules.holding(purchase, seat, owned=owned, catalog=CATALOG, at=NOW)
        for purchase, seat in zip(owned, seats, strict=True)
    ]


def without_seats(organisation: list[Holding]) -> list[Holding]:
    return [
        Holding(
            purchase=each.purchase,
            seat=None,
            is_suspended=each.is_suspended,
            suspended_because=each.suspended_because,
        )
        for each in organisation
    ]


@given(organisations())
def test_a_scope_needs_a_good_seat_or_an_add_on_without_seats(found: list[Holding]) -> None:
    for scope in rules.grant(found, CATALOG, at=NOW).scopes:
        assert any(
            scope in CATALOG.add_ons[each.purchase.add_on].opens
            and each.purchase.quantity(NOW) > 0
            and (
                not CATALOG.add_ons[each.purchase.add_on].has_seats
                or (each.seat is not None and not each.seat.is_over_limit)
            )
            for each in found
        )


@given(organisations())
def test_providers_never_depend_on_seats(found: list[Holding]) -> None:
    with_seats = rules.grant(found, CATALOG, at=NOW).providers
    assert with_seats == rules.grant(without_seats(found), CATALOG, at=NOW).providers


@given(organisations())
def test_hosting_entitles_only_with_equal_numbers(found: list[Holding]) -> None:
    owned = {each.purchase.add_on: each.purchase.quantity(NOW) for each in found}
    is_entitled = "shm" in rules.grant(found, CATALOG, at=NOW).providers
    hosted = owned.get("hosting", 0)
    assert is_entitled == (hosted > 0 and hosted == owned.get("seated", 0))


@given(organisations())
def test_nothing_of_a_grant_is_older_than_its_end(found: list[Holding]) -> None:
    grant = rules.grant(found, CATALOG, at=NOW)
    if grant.ends_at is None:
        assert not grant.scopes
        assert not grant.providers
        return
    assert grant.ends_at > NOW
    just_before = grant.ends_at - timedelta(microseconds=1)
    for each in found:
        if not each.is_suspended:
            assert all(
                item.state(just_before) != "expired"
                for item in each.purchase.items
                if item.state(NOW) in {"active", "grace"}
            )


@given(st.lists(items()), moments)
def test_an_amount_is_never_more_than_all_licences_nor_less_than_the_active(
    bought: list[Item], at: Any
) -> None:
    purchase = Purchase(id=1, add_on="seated", root_namespace_id=None, items=tuple(bought))
    alive = [item for item in bought if item.state(at) in {"active", "grace"}]
    active = sum(item.quantity for item in alive if item.state(at) == "active")
    assert active <= purchase.quantity(at) <= sum(item.quantity for item in alive)


@given(st.integers(0, 60), st.integers(0, 60))
def test_those_over_the_limit_are_the_newest(given_seats: int, quantity: int) -> None:
    over = [rules.is_over_limit(older=n, quantity=quantity) for n in range(given_seats)]
    assert over == sorted(over)
    assert over.count(False) == min(given_seats, quantity)
