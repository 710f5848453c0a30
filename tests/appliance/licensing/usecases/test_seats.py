from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from appliance.accounts.rules import Profile, User
from appliance.accounts.usecases import get_user
from appliance.audit.rules import SYSTEM
from appliance.audit.usecases import list_events
from appliance.errors import NotFoundError
from appliance.licensing import usecases
from appliance.licensing.errors import (
    NoSeatLeftError,
    SeatError,
    SeatNeedsMembershipError,
    SeatNotNeededError,
    SeatUserBlockedError,
)
from appliance.storage.paging import Page
from tests.appliance.licensing.conftest import Organisation
from tests.instance_builders import NOW
from tests.licence_builders import a_line

LATER = NOW + timedelta(hours=1)
ALL = Page.asked(1, 100)


def holders(organisation: Organisation, purchase_id: int) -> list[tuple[int, bool]]:
    found = organisation.do(usecases.list_seats, purchase_id, ALL, now=NOW)
    return [(seat.user_id, seat.is_over_limit) for seat in found.items]


def test_as_many_seats_as_were_bought_are_given(organisation: Organisation) -> None:
    organisation.buy(a_line(quantity=2))
    bought = organisation.purchase("duo_enterprise")
    ada, bob, eve = (organisation.user(name) for name in ("ada", "bob", "eve"))
    organisation.give(bought, ada, bob)
    with pytest.raises(NoSeatLeftError, match="2 seats and 2 of them"):
        organisation.give(bought, eve)
    assert holders(organisation, bought.id) == [(ada.id, False), (bob.id, False)]


def test_who_has_a_seat_keeps_it_and_takes_no_second(organisation: Organisation) -> None:
    organisation.buy(a_line(quantity=1))
    bought, ada = organisation.purchase("duo_enterprise"), organisation.user("ada")
    (first,) = organisation.give(bought, ada)
    (second,) = organisation.give(bought, ada, ada)
    assert first == second
    assert organisation.do(usecases.assigned_quantity, bought.id) == 1


def test_all_of_many_get_one_or_none(organisation: Organisation) -> None:
    organisation.buy(a_line(quantity=2))
    bought = organisation.purchase("duo_enterprise")
    three = [organisation.user(name) for name in ("ada", "bob", "eve")]
    with pytest.raises(NoSeatLeftError):
        organisation.give(bought, *three)
    assert organisation.do(usecases.assigned_quantity, bought.id) == 0


def test_a_licence_that_is_over_has_no_seats_left(organisation: Organisation) -> None:
    organisation.buy(a_line(ends_on="2026-12-01", grace_days=0))
    bought, ada = organisation.purchase("duo_enterprise"), organisation.user("ada")
    with pytest.raises(NoSeatLeftError):
        organisation.give(bought, ada, now=NOW + timedelta(days=30))


def test_an_add_on_without_seats_has_none_to_give(organisation: Organisation) -> None:
    organisation.buy(a_line(), a_line("duo_self_hosted", accompanies="duo_enterprise"))
    with pytest.raises(SeatNotNeededError):
        organisation.give(organisation.purchase("duo_self_hosted"), organisation.user("ada"))


def test_a_blocked_user_gets_none(organisation: Organisation) -> None:
    organisation.buy(a_line())
    ada = organisation.user("ada", state="blocked")
    with pytest.raises(SeatUserBlockedError, match="ada is blocked"):
        organisation.give(organisation.purchase("duo_enterprise"), ada)


def test_unknown_users_and_purchases_are_not_found(organisation: Organisation) -> None:
    organisation.buy(a_line())
    bought = organisation.purchase("duo_enterprise")
    give = {"actor": SYSTEM, "given_by": None, "now": NOW}
    with pytest.raises(NotFoundError, match="User"):
        organisation.do(usecases.give_seats, bought.id, [4711], **give)
    with pytest.raises(NotFoundError, match="purchase"):
        organisation.do(usecases.give_seats, 4711, [organisation.admin.id], **give)


def test_a_groups_seats_are_for_its_members(organisation: Organisation) -> None:
    group, ada = organisation.group("alpha"), organisation.user("ada")
    organisation.buy(a_line(namespace="Alpha"))
    bought = organisation.purchase("duo_enterprise", of=group.id)
    with pytest.raises(SeatNeedsMembershipError, match="member of the group alpha"):
        organisation.give(bought, ada)
    organisation.join(ada, group)
    assert len(organisation.give(bought, ada)) == 1


def test_a_blocked_users_seat_is_free_and_does_not_come_back(organisation: Organisation) -> None:
    organisation.buy(a_line(quantity=1))
    bought = organisation.purchase("duo_enterprise")
    ada, bob = organisation.user("ada"), organisation.user("bob")
    organisation.give(bought, ada)
    organisation.block(ada, now=LATER)
    assert organisation.do(usecases.assigned_quantity, bought.id) == 0
    organisation.change(ada, Profile(state="active"), now=LATER)
    assert organisation.do(usecases.assigned_quantity, bought.id) == 0
    organisation.give(bought, bob, now=LATER)
    assert holders(organisation, bought.id) == [(bob.id, False)]


def test_who_was_unblocked_can_get_a_seat_again(organisation: Organisation) -> None:
    organisation.buy(a_line(quantity=1))
    bought, ada = organisation.purchase("duo_enterprise"), organisation.user("ada")
    organisation.give(bought, ada)
    organisation.block(ada, now=LATER)
    organisation.change(ada, Profile(state="active"), now=LATER)
    assert len(organisation.give(bought, ada, now=LATER + timedelta(seconds=1))) == 1


def test_the_newest_seats_are_over_the_limit_when_less_is_owned(
    organisation: Organisation,
) -> None:
    organisation.buy(a_line(quantity=1))
    more = organisation.buy(a_line(quantity=2))
    bought = organisation.purchase("duo_enterprise")
    users = [organisation.user(name) for name in ("ada", "bob", "eve")]
    organisation.give(bought, *reversed(users))
    organisation.do(usecases.remove_licence, more.id, actor=SYSTEM, now=NOW)
    ada, bob, eve = (user.id for user in users)
    assert holders(organisation, bought.id) == [(eve, False), (bob, True), (ada, True)]
    second = organisation.do(usecases.list_seats, bought.id, Page.asked(2, 1), now=NOW)
    assert [seat.is_over_limit for seat in second.items] == [True]


def test_a_seat_is_taken_from_each_or_from_none(organisation: Organisation) -> None:
    organisation.buy(a_line())
    bought = organisation.purchase("duo_enterprise")
    ada, bob = organisation.user("ada"), organisation.user("bob")
    organisation.give(bought, ada)
    for users, left in (([ada.id, bob.id], 1), ([ada.id], 0)):
        take = {"actor": SYSTEM, "now": NOW}
        if left:
            with pytest.raises(NotFoundError, match="Seat"):
                organisation.do(usecases.take_seats, bought.id, users, **take)
        else:
            organisation.do(usecases.take_seats, bought.id, users, **take)
        assert organisation.do(usecases.assigned_quantity, bought.id) == left


def test_giving_and_taking_is_audited_and_makes_tokens_stale(organisation: Organisation) -> None:
    organisation.buy(a_line())
    bought, ada = organisation.purchase("duo_enterprise"), organisation.user("ada")
    organisation.give(bought, ada)
    organisation.do(usecases.take_seats, bought.id, [ada.id], actor=SYSTEM, now=NOW)
    assert organisation.do(get_user, ada.id).grant_generation == ada.grant_generation + 2
    told = organisation.do(list_events, ALL).items[:2]
    assert [event.entry.action for event in told] == ["seat_taken", "seat_given"]
    assert all(event.entry.target.id == str(ada.id) for event in told)


def test_of_200_at_once_exactly_the_50_bought_ones_are_given(organisation: Organisation) -> None:
    organisation.buy(a_line(quantity=50))
    bought = organisation.purchase("duo_enterprise")
    users = [organisation.user(f"user{number}") for number in range(200)]

    def give(user: User) -> str:
        try:
            organisation.give(bought, user)
        except SeatError as refusal:
            return refusal.code
        return "given"

    with ThreadPoolExecutor(200) as pool:
        answers = list(pool.map(give, users))
    assert (answers.count("given"), answers.count("no_seat_left")) == (50, 150)
    assert organisation.do(usecases.assigned_quantity, bought.id) == 50
