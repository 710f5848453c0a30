import asyncio
from dataclasses import replace
from typing import Any

import pytest

from appliance.accounts.usecases import get_user
from appliance.audit.rules import SYSTEM
from appliance.licensing import usecases
from appliance.namespaces.rules import AccessLevel, Membership, NewGroup
from appliance.namespaces.usecases import create_group, set_member
from appliance.storage.engine import Session
from tests.appliance.conftest import Server
from tests.instance_builders import NOW
from tests.licence_builders import SigningAuthority, a_line

LICENCE = "/api/v4/license"
PURCHASES = "/api/v4/ai/add_on_purchases"


@pytest.fixture
def authority(server: Server) -> SigningAuthority:
    made = SigningAuthority(is_demo=True)
    server.db.write_blocking(
        lambda session: usecases.pin_authority(
            session, made.public, is_demo=True, actor=SYSTEM, now=NOW
        )
    )
    return made


async def buy(server: Server, authority: SigningAuthority, *lines: dict[str, Any]) -> Any:
    text = authority.licence(*lines, instance_id=server.filled.instance_id)
    answer = await server.ask("POST", LICENCE, json={"license": text})
    assert answer.status_code == 201, answer.text
    return answer.json()


async def bought(server: Server, add_on: str = "duo_enterprise") -> dict[str, Any]:
    found = (await server.ask("GET", PURCHASES)).json()
    return next(each for each in found if each["add_on"] == add_on)


async def test_a_licence_is_added_shown_and_removed(
    server: Server, authority: SigningAuthority
) -> None:
    added = await buy(server, authority, a_line(quantity=50))
    assert added["licensee"] == {"Name": "Example Ltd"}
    assert (added["starts_at"], added["expires_at"]) == ("2026-01-01", "2028-01-01")
    assert (added["is_demo"], added["expired"]) == (True, False)
    assert [(each["name"], each["state"]) for each in added["add_ons"]] == [
        ("duo_enterprise", "active")
    ]
    assert "demo" in added["warnings"][0]
    assert (await server.ask("GET", LICENCE)).json() == added
    assert (await server.ask("GET", "/api/v4/licenses")).json() == [added]
    assert (await server.ask("DELETE", f"{LICENCE}/{added['id']}")).status_code == 204
    assert (await server.ask("GET", LICENCE)).status_code == 404
    assert (await server.ask("DELETE", f"{LICENCE}/{added['id']}")).status_code == 404


@pytest.mark.parametrize(
    ("change", "status", "code"),
    [
        ({"document": "AAAA"}, 400, "licence_forged"),
        ({"authority": "SHA256:x"}, 400, "licence_authority_unknown"),
        ({"more": 1}, 400, "licence_unreadable"),
    ],
)
async def test_a_refusal_has_its_code(
    server: Server, authority: SigningAuthority, change: dict[str, Any], status: int, code: str
) -> None:
    text = authority.signed(("casemate_licence", b"casemate licence 1\n"), {}, **change)
    answer = await server.ask("POST", LICENCE, json={"license": text})
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_the_same_licence_twice_is_a_conflict(
    server: Server, authority: SigningAuthority
) -> None:
    text = authority.licence(instance_id=server.filled.instance_id)
    codes = [
        (await server.ask("POST", LICENCE, json={"license": text})).status_code for _ in range(2)
    ]
    assert codes == [201, 409]


async def test_the_instance_says_for_whom_and_by_whom_licences_are(
    server: Server, authority: SigningAuthority
) -> None:
    path, heir = f"{LICENCE}/authority", SigningAuthority()
    assert (await server.ask("GET", path)).json() == {
        "instance_id": server.filled.instance_id,
        "fingerprint": authority.authority.fingerprint,
        "is_demo": True,
    }
    changed = await server.ask("POST", path, json={"change": authority.hand_over(heir)})
    assert changed.json() == {"fingerprint": heir.authority.fingerprint, "is_demo": True}
    again = await server.ask("POST", path, json={"change": authority.hand_over(heir)})
    assert again.json()["code"] == "licence_authority_change_refused"


async def test_seats_are_given_listed_and_taken(
    server: Server, authority: SigningAuthority
) -> None:
    await buy(server, authority, a_line(quantity=1))
    path = f"{PURCHASES}/{(await bought(server))['id']}/seats"
    ada, _ = await server.new_user("ada")
    given = await server.ask("POST", path, json={"user_ids": [ada]})
    assert given.status_code == 201
    assert [seat["username"] for seat in given.json()] == ["ada"]
    assert (await server.ask("GET", path)).json() == given.json()
    assert (await bought(server))["assigned_quantity"] == 1
    assert (await server.ask("DELETE", path, json={"user_ids": [ada]})).status_code == 204
    assert (await server.ask("GET", path)).headers["x-total"] == "0"


@pytest.mark.parametrize("user_ids", [[], [0], [2**31], ["x"], [1] * 101, None, [2**70], 7])
async def test_user_ids_that_cannot_be_are_refused(
    server: Server, authority: SigningAuthority, user_ids: Any
) -> None:
    await buy(server, authority)
    path = f"{PURCHASES}/{(await bought(server))['id']}/seats"
    answer = await server.ask("POST", path, json={"user_ids": user_ids})
    assert answer.status_code == 400


async def test_a_seat_that_is_not_there_is_a_conflict_with_a_way_out(
    server: Server, authority: SigningAuthority
) -> None:
    await buy(server, authority, a_line(quantity=1))
    path = f"{PURCHASES}/{(await bought(server))['id']}/seats"
    users = [(await server.new_user(name))[0] for name in ("ada", "bob")]
    answer = await server.ask("POST", path, json={"user_ids": users})
    assert (answer.status_code, answer.json()["code"]) == (409, "no_seat_left")
    assert "buy more" in answer.json()["message"]


async def test_200_requests_at_once_get_exactly_the_50_seats(
    server: Server, authority: SigningAuthority
) -> None:
    await buy(server, authority, a_line(quantity=50))
    path = f"{PURCHASES}/{(await bought(server))['id']}/seats"
    users = [(await server.new_user(f"user{number}"))[0] for number in range(200)]
    answers = await asyncio.gather(
        *(server.ask("POST", path, json={"user_ids": [user]}) for user in users)
    )
    statuses = [answer.status_code for answer in answers]
    assert (statuses.count(201), statuses.count(409)) == (50, 150)
    assert (await bought(server))["assigned_quantity"] == 50


async def test_only_admins_change_and_owners_read_their_groups(
    server: Server, authority: SigningAuthority
) -> None:
    ada, pat = await server.new_user("ada")

    def found(session: Session) -> int:
        admin = replace(get_user(session, ada), is_admin=True)
        group = create_group(session, NewGroup(name="a", path="a"), caller_user=admin, now=NOW)
        member = Membership(user_id=ada, namespace_id=group.id, access_level=AccessLevel.OWNER)
        set_member(session, member, caller_user=admin, now=NOW)
        return group.id

    group = server.db.write_blocking(found)
    await buy(server, authority, a_line(), a_line("duo_pro", namespace="a"))
    for method, path in (("GET", LICENCE), ("GET", PURCHASES), ("POST", LICENCE)):
        assert (await server.ask(method, path, pat=pat)).status_code == 403
    (own,) = (await server.ask("GET", f"{PURCHASES}?namespace_id={group}", pat=pat)).json()
    assert (own["add_on"], own["namespace"]["full_path"]) == ("duo_pro", "a")
    seats = f"{PURCHASES}/{own['id']}/seats"
    assert (await server.ask("GET", seats, pat=pat)).status_code == 200
    answer = await server.ask("POST", seats, pat=pat, json={"user_ids": [ada]})
    assert answer.status_code == 403
    theirs = f"{PURCHASES}/{(await bought(server))['id']}/seats"
    assert (await server.ask("GET", theirs, pat=pat)).status_code == 403


async def test_another_groups_purchases_look_as_if_they_were_not_there(
    server: Server, authority: SigningAuthority
) -> None:
    group = server.db.write_blocking(_make_group)
    await buy(server, authority, a_line(namespace="b"))
    _, pat = await server.new_user("ada")
    path = f"{PURCHASES}/{(await bought(server))['id']}/seats"
    assert (await server.ask("GET", path, pat=pat)).status_code == 404
    answer = await server.ask("GET", f"{PURCHASES}?namespace_id={group}", pat=pat)
    assert answer.status_code == 404


def _make_group(session: Session) -> int:
    admin = get_user(session, 1)
    return create_group(session, NewGroup(name="b", path="b"), caller_user=admin, now=NOW).id
