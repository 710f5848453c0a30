from typing import Any

import pytest

from tests.appliance.conftest import Server
from tests.graphql_asker import Asker
from tests.licence_builders import a_line

PATH = "/api/v4/groups"


async def _group(server: Server, path: str, **fields: Any) -> dict[str, Any]:
    answer = await server.ask("POST", PATH, json={"name": path.title(), "path": path} | fields)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_group_has_gitlab_s_fields(server: Server) -> None:
    root = await _group(server, "lab", visibility="internal", description="d")
    leaf = await _group(server, "ai", parent_id=root["id"])
    assert root == {
        "id": root["id"],
        "name": "Lab",
        "path": "lab",
        "full_name": "Lab",
        "full_path": "lab",
        "parent_id": None,
        "description": "d",
        "visibility": "internal",
        "web_url": "http://127.0.0.1:8080/groups/lab",
        "created_at": "2026-11-21T12:00:00+00:00",
    }
    assert (leaf["full_name"], leaf["full_path"]) == ("Lab / Ai", "lab/ai")
    assert (leaf["parent_id"], leaf["visibility"]) == (root["id"], "private")


async def test_a_group_is_named_by_number_or_escaped_path(server: Server) -> None:
    root = await _group(server, "lab")
    leaf = await _group(server, "ai", parent_id=root["id"])
    for name in (leaf["id"], "lab%2Fai", "LAB%2fai"):
        assert (await server.ask("GET", f"{PATH}/{name}")).json() == leaf
    assert (await server.ask("GET", f"{PATH}/lab")).json() == root
    missing = await server.ask("GET", f"{PATH}/lab%2Fnone")
    assert (missing.status_code, missing.json()["message"]) == (404, "404 Group Not Found")


async def test_groups_are_listed_as_far_as_they_may_be_known(server: Server) -> None:
    root = await _group(server, "lab", visibility="internal")
    await _group(server, "ai", parent_id=root["id"])
    await _group(server, "forge")
    number, pat = await server.new_user("ada")

    async def listed(path: str, pat: str | None = None) -> list[str]:
        return [each["full_path"] for each in (await server.ask("GET", path, pat=pat)).json()]

    assert await listed(PATH) == ["forge", "lab", "lab/ai"]
    assert await listed(f"{PATH}?top_level_only=true&search=LA") == ["lab"]
    assert await listed(f"{PATH}/lab/subgroups") == ["lab/ai"]
    assert await listed(PATH, pat) == ["lab"]
    member = {"user_id": number, "access_level": 10}
    await server.ask("POST", f"{PATH}/lab/members", json=member)
    assert await listed(PATH, pat) == ["lab", "lab/ai"]
    answer = await server.ask("GET", f"{PATH}/lab/subgroups?per_page=1")
    assert f"/groups/{root['id']}/subgroups?page=1" in answer.headers["link"]


async def test_a_group_is_changed_and_removed(server: Server) -> None:
    root = await _group(server, "lab")
    path = f"{PATH}/{root['id']}"
    changed = await server.ask("PUT", path, json={"path": "forge", "description": "x"})
    assert (changed.status_code, changed.json()["full_path"]) == (200, "forge")
    leaf = await _group(server, "ai", parent_id=root["id"])
    refused = await server.ask("DELETE", path)
    assert (refused.status_code, refused.json()["code"]) == (409, "group_not_empty")
    assert (await server.ask("DELETE", f"{PATH}/{leaf['id']}")).status_code == 204
    assert (await server.ask("DELETE", f"{PATH}/forge")).status_code == 204
    assert (await server.ask("GET", path)).status_code == 404


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"name": "x", "path": "lab"}, 409, "already_taken"),
        ({"name": "x", "path": "-"}, 400, "invalid_fields"),
        ({"name": "x"}, 400, "invalid_fields"),
        ({"name": "x", "path": "x", "visibility": "secret"}, 400, "invalid_fields"),
        ({"name": "x", "path": "x", "colour": "red"}, 400, "invalid_fields"),
        ({"name": "x", "path": "x", "parent_id": 99}, 404, "not_found"),
    ],
)
async def test_what_cannot_be_made_is_refused(
    server: Server, body: dict[str, object], status: int, code: str
) -> None:
    await _group(server, "lab")
    answer = await server.ask("POST", PATH, json=body)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_who_may_do_what_with_groups(server: Server) -> None:
    await _group(server, "lab", visibility="internal")
    await _group(server, "secret")
    _, pat = await server.new_user("ada")
    for method, path, status in (
        ("POST", PATH, 403),
        ("PUT", f"{PATH}/lab", 403),
        ("DELETE", f"{PATH}/lab", 403),
        ("GET", f"{PATH}/secret", 404),
        ("PUT", f"{PATH}/secret", 404),
        ("DELETE", f"{PATH}/secret", 404),
        ("GET", f"{PATH}/secret/subgroups", 404),
        ("GET", f"{PATH}/secret/members", 404),
        ("GET", f"{PATH}/secret/projects", 404),
    ):
        body = {"name": "x", "path": "x"}
        answer = await server.ask(method, path, pat=pat, json=body)
        assert answer.status_code == status, (method, path)


async def test_a_group_is_transferred_with_what_lies_in_it(server: Server) -> None:
    lab, forge = await _group(server, "lab"), await _group(server, "forge")
    team = await _group(server, "team", parent_id=lab["id"])
    project = {"name": "p", "path": "p", "namespace_id": team["id"]}
    made = (await server.ask("POST", "/api/v4/projects", json=project)).json()
    path = f"{PATH}/lab%2Fteam/transfer"
    moved = await server.ask("POST", path, json={"group_id": forge["id"]})
    assert (moved.status_code, moved.json()["full_path"]) == (201, "forge/team")
    assert moved.json()["parent_id"] == forge["id"]
    found = (await server.ask("GET", f"/api/v4/projects/{made['id']}")).json()
    assert found["path_with_namespace"] == "forge/team/p"
    top = await server.ask("POST", f"{PATH}/{team['id']}/transfer", json={})
    assert (top.status_code, top.json()["parent_id"]) == (201, None)


async def test_a_group_is_not_transferred_to_where_a_project_is(server: Server) -> None:
    lab, forge = await _group(server, "lab"), await _group(server, "forge")
    await server.ask(
        "POST", "/api/v4/projects", json={"name": "x", "path": "x", "namespace_id": forge["id"]}
    )
    team = await _group(server, "x", parent_id=lab["id"])
    refused = await server.ask(
        "POST", f"{PATH}/{team['id']}/transfer", json={"group_id": forge["id"]}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "already_taken")
    assert (await server.ask("GET", f"{PATH}/lab%2Fx")).status_code == 200


async def test_a_root_that_owns_purchases_is_not_transferred(server: Server, asker: Asker) -> None:
    lab, forge = await _group(server, "lab"), await _group(server, "forge")
    asker.buy(a_line(namespace="lab"))
    refused = await server.ask(
        "POST", f"{PATH}/{lab['id']}/transfer", json={"group_id": forge["id"]}
    )
    assert (refused.status_code, refused.json()["code"]) == (409, "group_owns_purchases")


async def _paths(server: Server, path: str, pat: str | None = None) -> list[str]:
    answer = await server.ask("GET", path, pat=pat)
    assert answer.status_code == 200, answer.text
    return [each["full_path"] for each in answer.json()]


async def test_groups_are_filtered_and_ordered_as_gitlab_s_clients_ask(server: Server) -> None:
    lab = await _group(server, "lab", visibility="internal")
    forge = await _group(server, "forge", name="Zeppelin")
    leaf = await _group(server, "leaf", parent_id=lab["id"], visibility="internal")
    number, pat = await server.new_user("ada")
    member = {"user_id": number, "access_level": 40}
    await server.ask("POST", f"{PATH}/{leaf['id']}/members", json=member)
    assert await _paths(server, f"{PATH}?order_by=name&sort=desc") == ["forge", "lab/leaf", "lab"]
    assert await _paths(server, f"{PATH}?order_by=id") == ["lab", "forge", "lab/leaf"]
    assert await _paths(server, f"{PATH}?skip_groups[]={forge['id']}") == ["lab", "lab/leaf"]
    assert await _paths(server, f"{PATH}?visibility=private") == ["forge"]
    assert await _paths(server, PATH, pat) == ["lab", "lab/leaf"]
    for query, expected in (
        ("all_available=false", ["lab/leaf"]),
        ("min_access_level=40", ["lab/leaf"]),
        ("min_access_level=50", []),
        ("owned=true", []),
    ):
        assert await _paths(server, f"{PATH}?{query}", pat) == expected
    assert await _paths(server, f"{PATH}?owned=true") == ["forge", "lab", "lab/leaf"]
    assert (await server.ask("GET", f"{PATH}?order_by=size")).status_code == 400


async def test_all_groups_within_one_are_listed_page_by_page(server: Server) -> None:
    lab = await _group(server, "lab")
    team = await _group(server, "team", parent_id=lab["id"])
    await _group(server, "leaf", parent_id=team["id"])
    await _group(server, "labs")
    path = f"{PATH}/lab/descendant_groups"
    assert await _paths(server, path) == ["lab/team", "lab/team/leaf"]
    first = await server.ask("GET", f"{path}?per_page=1&search=lea&order_by=id")
    assert [each["path"] for each in first.json()] == ["leaf"]
    # A client that follows the links asks for the same list.
    link = first.headers["link"]
    assert f"/groups/{lab['id']}/descendant_groups?page=1" in link
    assert "search=lea" in link
    assert "order_by=id" in link
