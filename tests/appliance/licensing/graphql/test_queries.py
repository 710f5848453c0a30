from typing import Any

import pytest

from tests.graphql_asker import Asker, purchase_gid, user_gid
from tests.licence_builders import a_line

PURCHASES = """query ($of: NamespaceID) { addOnPurchases(namespaceId: $of) {
  id name assignedQuantity purchasedQuantity } }"""
USERS = """query ($type: GitlabSubscriptionsAddOnType!,
    $ids: [GitlabSubscriptionsAddOnPurchaseID!]!, $search: String,
    $sort: GitlabSubscriptionsUserSort, $seat: String,
    $first: Int, $after: String, $last: Int, $before: String) {
  selfManagedAddOnEligibleUsers(addOnType: $type, addOnPurchaseIds: $ids, search: $search,
      sort: $sort, filterByAssignedSeat: $seat,
      first: $first, after: $after, last: $last, before: $before) {
    nodes { id name username publicEmail state lastActivityOn
      addOnAssignments(addOnPurchaseIds: $ids) { nodes { addOnPurchase { name } } } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor } } }"""


async def _users(asker: Asker, **asked: Any) -> Any:
    wanted = {"type": "DUO_ENTERPRISE", "ids": [purchase_gid(asker.purchase())], **asked}
    return (await asker.data(USERS, **wanted))["selfManagedAddOnEligibleUsers"]


async def _named(asker: Asker, **asked: Any) -> list[str]:
    return [each["username"] for each in (await _users(asker, **asked))["nodes"]]


async def _seat(asker: Asker, *user_ids: int) -> None:
    path = f"/api/v4/ai/add_on_purchases/{asker.purchase()}/seats"
    given = await asker.server.ask("POST", path, json={"user_ids": list(user_ids)})
    assert given.status_code == 201, given.text


async def _group(asker: Asker, path: str, **fields: Any) -> int:
    body = {"name": path, "path": path, **fields}
    made = await asker.server.ask("POST", "/api/v4/groups", json=body)
    number: int = made.json()["id"]
    return number


async def test_purchases_of_the_instance_are_named_as_gitlab_names_them(asker: Asker) -> None:
    asker.buy(
        a_line(quantity=3),
        a_line("duo_self_hosted", 3, accompanies="duo_enterprise"),
        a_line("duo_pro", 2, starts_on="2027-01-01"),
    )
    ada, _ = await asker.server.new_user("ada")
    await _seat(asker, ada)
    # What has no name in the enumeration, or does not count yet, is not among them.
    assert (await asker.data(PURCHASES))["addOnPurchases"] == [
        {
            "id": purchase_gid(asker.purchase()),
            "name": "DUO_ENTERPRISE",
            "assignedQuantity": 1,
            "purchasedQuantity": 3,
        }
    ]


async def test_purchases_of_a_group_are_for_its_owner_and_admins(asker: Asker) -> None:
    lab = await _group(asker, "lab")
    below = await _group(asker, "below", parent_id=lab)
    asker.buy(a_line("duo_pro", 2, namespace="lab"), a_line())
    owner, owners_pat = await asker.server.new_user("owner")
    member, members_pat = await asker.server.new_user("member")
    for user, level in ((owner, 50), (member, 40)):
        body = {"user_id": user, "access_level": level}
        await asker.server.ask("POST", f"/api/v4/groups/{lab}/members", json=body)
    for pat in (owners_pat, None):
        for namespace in (f"gid://gitlab/Group/{lab}", f"gid://gitlab/Namespace/{below}"):
            got = await asker.data(PURCHASES, pat=pat, of=namespace)
            assert [each["name"] for each in got["addOnPurchases"]] == ["CODE_SUGGESTIONS"]
    unknown = await asker.error(PURCHASES, pat=members_pat, of="gid://gitlab/Group/999")
    for pat, of in ((members_pat, lab), (members_pat, below)):
        assert await asker.error(PURCHASES, pat=pat, of=f"gid://gitlab/Group/{of}") == unknown
    assert await asker.code(PURCHASES, pat=owners_pat) == "admin_needed"


async def test_a_candidate_is_shown_with_their_seats(asker: Asker) -> None:
    asker.buy()
    ada, pat = await asker.server.new_user("ada")
    await _seat(asker, ada)
    await asker.server.ask("GET", "/api/v4/user", pat=pat)
    [found] = (await _users(asker, search="ADA"))["nodes"]
    assert found == {
        "id": user_gid(ada),
        "name": "ada",
        "username": "ada",
        "publicEmail": None,
        "state": "active",
        "lastActivityOn": "2026-11-21",
        "addOnAssignments": {"nodes": [{"addOnPurchase": {"name": "DUO_ENTERPRISE"}}]},
    }


async def test_candidates_are_found_sorted_and_filtered(asker: Asker) -> None:
    asker.buy()
    ada, _ = await asker.server.new_user("ada", name="Zoe")
    await asker.server.new_user("bob", name="50% Bob")
    eve, _ = await asker.server.new_user("eve", name="alice")
    await asker.server.new_user("gone", state="blocked")
    await _seat(asker, ada, eve)
    assert await _named(asker) == ["admin", "ada", "bob", "eve"]
    assert await _named(asker, sort="ID_DESC") == ["eve", "bob", "ada", "admin"]
    assert await _named(asker, sort="NAME_ASC") == ["bob", "admin", "eve", "ada"]
    assert await _named(asker, sort="NAME_DESC") == ["ada", "eve", "admin", "bob"]
    assert await _named(asker, seat="true") == ["ada", "eve"]
    assert await _named(asker, seat="false") == ["admin", "bob"]
    assert await _named(asker, search="ALI") == ["eve"]
    assert await _named(asker, search="bob@") == ["bob"]
    assert await _named(asker, search="%") == ["bob"]
    assert await _named(asker, search="_") == []


async def test_candidates_are_sorted_by_when_they_were_last_there(asker: Asker) -> None:
    asker.buy()
    _, pat = await asker.server.new_user("ada")
    await asker.server.new_user("bob")
    asker.server.clock.advance(hours=1)
    await asker.server.ask("GET", "/api/v4/user", pat=pat)
    assert await _named(asker, sort="LAST_ACTIVITY_ON_ASC") == ["admin", "ada", "bob"]
    assert (await _named(asker, sort="LAST_ACTIVITY_ON_DESC"))[-1] == "bob"


async def test_candidates_come_in_pages_both_ways(asker: Asker) -> None:
    asker.buy()
    for name in ("a1", "a2", "a3", "a4"):
        await asker.server.new_user(name)
    page = await _users(asker, first=2)
    assert [each["username"] for each in page["nodes"]] == ["admin", "a1"]
    assert page["pageInfo"]["hasNextPage"]
    page = await _users(asker, first=2, after=page["pageInfo"]["endCursor"])
    assert [each["username"] for each in page["nodes"]] == ["a2", "a3"]
    assert page["pageInfo"]["hasPreviousPage"]
    back = await _users(asker, last=1, before=page["pageInfo"]["startCursor"])
    assert [each["username"] for each in back["nodes"]] == ["a1"]


async def test_a_seat_of_who_was_blocked_is_none(asker: Asker) -> None:
    asker.buy()
    ada, _ = await asker.server.new_user("ada")
    await _seat(asker, ada)
    for state in ("blocked", "active"):
        await asker.server.ask("PUT", f"/api/v4/users/{ada}", json={"state": state})
    assert await _named(asker, seat="true") == []


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        ({"seat": "maybe"}, "invalid_fields"),
        ({"search": "a\0b"}, "invalid_fields"),
        ({"search": "x" * 256}, "invalid_fields"),
        ({"first": -1}, "invalid_fields"),
        ({"first": 1, "last": 1}, "invalid_fields"),
        ({"after": "x"}, "invalid_fields"),
        ({"type": "CODE_SUGGESTIONS"}, "invalid_fields"),
        ({"ids": [purchase_gid(999)]}, "not_found"),
        ({"ids": ["gid://gitlab/User/1"]}, "global_id_invalid"),
    ],
)
async def test_candidates_that_cannot_be_asked_for_are_refused(
    asker: Asker, wrong: dict[str, Any], code: str
) -> None:
    asker.buy()
    wanted = {"type": "DUO_ENTERPRISE", "ids": [purchase_gid(asker.purchase())], **wrong}
    assert await asker.code(USERS, **wanted) == code


async def test_candidates_are_for_admins(asker: Asker) -> None:
    asker.buy()
    _, pat = await asker.server.new_user("ada")
    wanted = {"type": "DUO_ENTERPRISE", "ids": [purchase_gid(asker.purchase())]}
    got = await asker.answer(USERS, pat=pat, **wanted)
    assert got["data"] == {"selfManagedAddOnEligibleUsers": None}
    assert got["errors"][0]["extensions"] == {"code": "admin_needed"}
