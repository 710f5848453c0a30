from typing import Any

import pytest

from tests.appliance.conftest import Server

PATH = "/api/v4/groups"
MEMBERS = f"{PATH}/lab/members"


@pytest.fixture
async def lab(server: Server) -> dict[str, Any]:
    answer = await server.ask("POST", PATH, json={"name": "Lab", "path": "lab"})
    made: dict[str, Any] = answer.json()
    return made


async def test_a_member_has_gitlab_s_fields(server: Server, lab: dict[str, Any]) -> None:
    del lab
    number, _ = await server.new_user("ada")
    body = {"user_id": number, "access_level": 30, "expires_at": "2027-01-01"}
    answer = await server.ask("POST", MEMBERS, json=body)
    assert answer.status_code == 201
    assert answer.json() == {
        "id": number,
        "username": "ada",
        "name": "ada",
        "state": "active",
        "access_level": 30,
        "expires_at": "2027-01-01",
        "web_url": "http://127.0.0.1:8080/ada",
    }
    assert (await server.ask("GET", f"{MEMBERS}/{number}")).json() == answer.json()
    again = await server.ask("POST", MEMBERS, json=body)
    assert (again.status_code, again.json()["code"]) == (409, "member_exists")


async def test_members_of_the_groups_above_are_listed_apart(
    server: Server, lab: dict[str, Any]
) -> None:
    leaf = {"name": "Ai", "path": "ai", "parent_id": lab["id"]}
    await server.ask("POST", PATH, json=leaf)
    number, _ = await server.new_user("ada")
    members = f"{PATH}/lab%2Fai/members"
    await server.ask("POST", members, json={"user_id": number, "access_level": 20})

    async def listed(path: str) -> list[tuple[str, int]]:
        answer = await server.ask("GET", path)
        return [(each["username"], each["access_level"]) for each in answer.json()]

    assert await listed(members) == [("ada", 20)]
    assert await listed(f"{members}/all") == [("admin", 50), ("ada", 20)]
    assert (await server.ask("GET", f"{members}/1")).status_code == 404
    assert (await server.ask("GET", f"{members}/all/1")).json()["access_level"] == 50


async def test_a_role_is_changed_and_taken(server: Server, lab: dict[str, Any]) -> None:
    del lab
    number, pat = await server.new_user("ada")
    body = {"user_id": number, "access_level": 30, "expires_at": "2027-01-01"}
    await server.ask("POST", MEMBERS, json=body)
    path = f"{MEMBERS}/{number}"
    changed = (await server.ask("PUT", path, json={"access_level": 50})).json()
    assert (changed["access_level"], changed["expires_at"]) == (50, "2027-01-01")
    lasting = {"access_level": 50, "expires_at": None}
    assert (await server.ask("PUT", path, json=lasting)).json()["expires_at"] is None
    assert (await server.ask("DELETE", f"{MEMBERS}/1", pat=pat)).status_code == 204
    refused = await server.ask("DELETE", path)
    assert (refused.status_code, refused.json()["code"]) == (409, "last_owner")
    assert (await server.ask("PUT", f"{MEMBERS}/1", json=lasting)).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"user_id": 99, "access_level": 30}, 404),
        ({"user_id": 1, "access_level": 35}, 400),
        ({"user_id": 1}, 400),
        ({"access_level": 30}, 400),
        ({"user_id": 1, "username": "admin", "access_level": 30}, 400),
        ({"username": "nobody", "access_level": 30}, 404),
        ({"username": "no body", "access_level": 30}, 404),
        ({"user_id": 1, "access_level": 30, "expires_at": "soon"}, 400),
    ],
)
async def test_what_is_no_member_is_refused(
    server: Server, lab: dict[str, Any], body: dict[str, object], status: int
) -> None:
    del lab
    assert (await server.ask("POST", MEMBERS, json=body)).status_code == status


async def test_only_owners_change_who_belongs(server: Server, lab: dict[str, Any]) -> None:
    del lab
    number, pat = await server.new_user("ada")
    await server.ask("POST", MEMBERS, json={"user_id": number, "access_level": 40})
    for method, path in (
        ("POST", MEMBERS),
        ("PUT", f"{MEMBERS}/{number}"),
        ("DELETE", f"{MEMBERS}/1"),
    ):
        body = {"access_level": 50, **({"user_id": 1} if method == "POST" else {})}
        answer = await server.ask(method, path, pat=pat, json=body)
        assert (answer.status_code, answer.json()["code"]) == (403, "access_level_needed")


async def test_a_user_chooses_the_group_their_tokens_are_for(
    server: Server, lab: dict[str, Any]
) -> None:
    path = "/api/v4/user/default_namespace"
    number, pat = await server.new_user("ada")
    none = {"namespace_id": None, "full_path": None}
    assert (await server.ask("GET", path, pat=pat)).json() == none
    refused = await server.ask("PUT", path, pat=pat, json={"namespace_id": lab["id"]})
    assert refused.status_code == 404
    await server.ask("POST", MEMBERS, json={"user_id": number, "access_level": 10})
    chosen = await server.ask("PUT", path, pat=pat, json={"namespace_id": lab["id"]})
    assert chosen.json() == {"namespace_id": lab["id"], "full_path": "lab"}
    # It is the only one they belong to.
    unset = await server.ask("PUT", path, pat=pat, json={"namespace_id": None})
    assert unset.json() == chosen.json()
    assert (await server.ask("PUT", path, pat=pat, json={})).status_code == 400


async def test_a_member_is_named_by_username_too(server: Server, lab: dict[str, Any]) -> None:
    del lab
    number, _ = await server.new_user("ada")
    made = await server.ask("POST", MEMBERS, json={"username": "Ada", "access_level": 30})
    assert (made.status_code, made.json()["id"]) == (201, number)


async def test_members_are_filtered(server: Server, lab: dict[str, Any]) -> None:
    del lab
    numbers = []
    for name in ("ada", "adam", "bob"):
        number, _ = await server.new_user(name)
        numbers.append(number)
        await server.ask("POST", MEMBERS, json={"user_id": number, "access_level": 30})

    async def listed(query: str) -> list[str]:
        answer = await server.ask("GET", f"{MEMBERS}?{query}")
        return [each["username"] for each in answer.json()]

    assert await listed("query=ADA") == ["ada", "adam"]
    assert await listed(f"query=ada&skip_users[]={numbers[0]}") == ["adam"]
    assert await listed(f"user_ids[]={numbers[0]}&user_ids[]={numbers[2]}") == ["ada", "bob"]
    assert await listed(f"query=ada&user_ids[]={numbers[2]}") == []
    first = await server.ask("GET", f"{MEMBERS}?query=ada&per_page=1")
    assert "query=ada" in first.headers["link"]


@pytest.mark.parametrize(("query", "left"), [("", 404), ("?skip_subresources=true", 200)])
async def test_who_leaves_a_group_leaves_those_below_it(
    server: Server, lab: dict[str, Any], query: str, left: int
) -> None:
    await server.ask("POST", PATH, json={"name": "Ai", "path": "ai", "parent_id": lab["id"]})
    number, _ = await server.new_user("ada")
    body = {"user_id": number, "access_level": 30}
    for path in (MEMBERS, f"{PATH}/lab%2Fai/members"):
        assert (await server.ask("POST", path, json=body)).status_code == 201
    assert (await server.ask("DELETE", f"{MEMBERS}/{number}{query}")).status_code == 204
    assert (await server.ask("GET", f"{PATH}/lab%2Fai/members/{number}")).status_code == left
    assert (await server.ask("DELETE", f"{MEMBERS}/{number}")).status_code == 404
