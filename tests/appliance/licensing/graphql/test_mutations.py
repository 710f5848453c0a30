import asyncio
from typing import Any

import pytest

from tests.graphql_asker import Asker, purchase_gid, user_gid
from tests.licence_builders import a_line

PURCHASE = "addOnPurchase { name assignedQuantity }"
SEATS = """addOnAssignments(addOnPurchaseIds: [$purchase]) {
  nodes { addOnPurchase { assignedQuantity } } }"""


def _one(change: str) -> str:
    return f"""mutation ($purchase: GitlabSubscriptionsAddOnPurchaseID!, $user: UserID!) {{
      done: userAddOnAssignment{change}(input: {{
          addOnPurchaseId: $purchase, userId: $user, clientMutationId: "mine" }}) {{
        {PURCHASE} user {{ username {SEATS} }} errors clientMutationId }} }}"""


def _several(change: str) -> str:
    return f"""mutation ($purchase: GitlabSubscriptionsAddOnPurchaseID!, $users: [UserID!]!) {{
      done: userAddOnAssignmentBulk{change}(input: {{
          addOnPurchaseId: $purchase, userIds: $users }}) {{
        {PURCHASE} users {{ nodes {{ username {SEATS} }} }} errors clientMutationId }} }}"""


async def _do(asker: Asker, query: str, *users: int, add_on: str = "duo_enterprise") -> Any:
    variables: dict[str, Any] = {"purchase": purchase_gid(asker.purchase(add_on))}
    if "$users" in query:
        variables["users"] = [user_gid(each) for each in users]
    else:
        variables["user"] = user_gid(users[0])
    return (await asker.data(query, **variables))["done"]


async def _actions(asker: Asker) -> list[str]:
    found = await asker.server.ask("GET", "/api/v4/audit_events", params={"per_page": 100})
    return [each["event_name"] for each in found.json() if each["event_name"].startswith("seat_")]


async def test_a_seat_is_given_and_taken(asker: Asker) -> None:
    asker.buy()
    ada, _ = await asker.server.new_user("ada")
    given = await _do(asker, _one("Create"), ada)
    assert given == {
        "addOnPurchase": {"name": "DUO_ENTERPRISE", "assignedQuantity": 1},
        "user": {
            "username": "ada",
            "addOnAssignments": {"nodes": [{"addOnPurchase": {"assignedQuantity": 1}}]},
        },
        "errors": [],
        "clientMutationId": "mine",
    }
    assert await _do(asker, _one("Create"), ada) == given
    taken = await _do(asker, _one("Remove"), ada)
    assert taken["addOnPurchase"]["assignedQuantity"] == 0
    assert (taken["user"]["addOnAssignments"]["nodes"], taken["errors"]) == ([], [])
    assert await _actions(asker) == ["seat_taken", "seat_given"]


async def test_several_seats_are_given_and_taken(asker: Asker) -> None:
    asker.buy()
    ada, _ = await asker.server.new_user("ada")
    bob, _ = await asker.server.new_user("bob")
    given = await _do(asker, _several("Create"), ada, bob)
    assert [each["username"] for each in given["users"]["nodes"]] == ["ada", "bob"]
    assert given["addOnPurchase"]["assignedQuantity"] == 2
    assert (given["errors"], given["clientMutationId"]) == ([], None)
    taken = await _do(asker, _several("Remove"), ada, bob)
    assert (taken["addOnPurchase"]["assignedQuantity"], taken["errors"]) == (0, [])


async def test_more_seats_than_there_are_is_an_error_that_changes_nothing(asker: Asker) -> None:
    asker.buy(a_line(quantity=1))
    ada, _ = await asker.server.new_user("ada")
    bob, _ = await asker.server.new_user("bob")
    refused = await _do(asker, _several("Create"), ada, bob)
    assert "has 1 seats and 0 of them are taken" in refused["errors"][0]
    assert refused["addOnPurchase"]["assignedQuantity"] == 0
    assert [each["addOnAssignments"]["nodes"] for each in refused["users"]["nodes"]] == [[], []]
    await _do(asker, _one("Create"), ada)
    assert "buy more" in (await _do(asker, _one("Create"), bob))["errors"][0]


async def test_the_last_seat_is_given_to_one_of_those_who_ask_at_once(asker: Asker) -> None:
    asker.buy(a_line(quantity=1))
    users = [(await asker.server.new_user(f"user{n}"))[0] for n in range(6)]
    done = await asyncio.gather(*(_do(asker, _one("Create"), user) for user in users))
    assert sorted(len(each["errors"]) for each in done) == [0, 1, 1, 1, 1, 1]
    assert await _actions(asker) == ["seat_given"]


async def test_what_can_be_expected_to_fail_is_told_in_errors(asker: Asker) -> None:
    group = {"name": "lab", "path": "lab"}
    lab = (await asker.server.ask("POST", "/api/v4/groups", json=group)).json()["id"]
    asker.buy(a_line(), a_line("duo_core"), a_line("duo_pro", namespace="lab"))
    ada, _ = await asker.server.new_user("ada")
    eve, _ = await asker.server.new_user("eve", state="blocked")
    for query, user, add_on, sentence in (
        (_one("Create"), eve, "duo_enterprise", "eve is blocked"),
        (_one("Create"), ada, "duo_core", "has no seats"),
        (_one("Remove"), ada, "duo_enterprise", "Seat Not Found"),
    ):
        assert sentence in (await _do(asker, query, user, add_on=add_on))["errors"][0]
    of_lab = {"purchase": purchase_gid(asker.purchase("duo_pro", of=lab)), "user": user_gid(ada)}
    got = await asker.data(_one("Create"), **of_lab)
    assert "no member of the group lab" in got["done"]["errors"][0]


@pytest.mark.parametrize("number", [0, 101])
async def test_too_many_users_at_once_or_none_are_an_error(asker: Asker, number: int) -> None:
    asker.buy()
    done = await _do(asker, _several("Create"), *([1] * number))
    assert done["errors"] == ["userIds: must be 1 to 100 users"]


async def test_what_is_not_there_fails_the_whole_field(asker: Asker) -> None:
    asker.buy()
    ada, _ = await asker.server.new_user("ada")
    known, nobody = purchase_gid(asker.purchase()), user_gid(999)
    for change in ("Create", "Remove"):
        for purchase, user in ((purchase_gid(999), user_gid(ada)), (known, nobody)):
            got = await asker.answer(_one(change), purchase=purchase, user=user)
            assert got["data"] == {"done": None}
            assert got["errors"][0]["extensions"] == {"code": "not_found"}
            assert "does not exist or" in got["errors"][0]["message"]


async def test_seats_are_given_and_taken_by_admins_alone(asker: Asker) -> None:
    asker.buy()
    ada, pat = await asker.server.new_user("ada")
    wish = {"purchase": purchase_gid(asker.purchase()), "user": user_gid(ada)}
    several = {"purchase": wish["purchase"], "users": [wish["user"]]}
    for change in ("Create", "Remove"):
        assert await asker.code(_one(change), pat=pat, **wish) == "admin_needed"
        assert await asker.code(_several(change), pat=pat, **several) == "admin_needed"
    assert await _actions(asker) == []
