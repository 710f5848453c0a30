from typing import Any

import pytest

from tests.appliance.conftest import Server

PATH = "/api/v4/projects"


@pytest.fixture
async def lab(server: Server) -> int:
    body = {"name": "Lab", "path": "lab", "visibility": "internal"}
    number: int = (await server.ask("POST", "/api/v4/groups", json=body)).json()["id"]
    return number


async def _project(server: Server, **body: Any) -> dict[str, Any]:
    answer = await server.ask("POST", PATH, json={"name": "Test", **body})
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


async def test_a_project_has_gitlab_s_fields(server: Server, lab: int) -> None:
    project = await _project(server, namespace_id=lab)
    assert (project["path_with_namespace"], project["visibility"]) == ("lab/test", "private")
    assert project["name_with_namespace"] == "Lab / Test"
    assert project["web_url"] == "http://127.0.0.1:8080/lab/test"
    assert (project["namespace"]["id"], project["namespace"]["kind"]) == (lab, "group")
    for name in (project["id"], "lab%2Ftest"):
        assert (await server.ask("GET", f"{PATH}/{name}")).json() == project
    missing = await server.ask("GET", f"{PATH}/lab%2Fnone")
    assert missing.json()["message"] == "404 Project Not Found"


async def test_projects_are_listed_of_all_or_one_group(server: Server, lab: int) -> None:
    body = {"name": "Sub", "path": "sub", "parent_id": lab}
    sub = (await server.ask("POST", "/api/v4/groups", json=body)).json()["id"]
    await _project(server, namespace_id=lab)
    await _project(server, namespace_id=sub, name="Deep")

    async def listed(path: str, pat: str | None = None) -> list[str]:
        answer = await server.ask("GET", path, pat=pat)
        return [each["path_with_namespace"] for each in answer.json()]

    assert await listed(PATH) == ["lab/sub/deep", "lab/test"]
    assert await listed(f"{PATH}?search=deep") == ["lab/sub/deep"]
    assert await listed("/api/v4/groups/lab/projects") == ["lab/test"]
    both = await listed("/api/v4/groups/lab/projects?include_subgroups=true")
    assert both == ["lab/sub/deep", "lab/test"]
    _, pat = await server.new_user("ada")
    assert await listed(PATH, pat) == []


async def test_a_project_is_changed_and_removed(server: Server, lab: int) -> None:
    number = (await _project(server, namespace_id=lab))["id"]
    path = f"{PATH}/{number}"
    body = {"name": "Other", "duo_features_enabled": False}
    changed = (await server.ask("PUT", path, json=body)).json()
    assert (changed["name"], changed["duo_features_enabled"]) == ("Other", False)
    assert (await server.ask("PUT", f"{PATH}/lab%2Ftest", json={"path": "x"})).status_code == 200
    await server.ask("PUT", "/api/v4/groups/lab", json={"path": "forge"})
    assert (await server.ask("GET", f"{PATH}/forge%2Fx")).json()["id"] == number
    assert (await server.ask("DELETE", path)).status_code == 204
    assert (await server.ask("GET", path)).status_code == 404


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"name": "x"}, 400),
        ({"namespace_id": 1}, 400),
        ({"name": "x", "namespace_id": 99}, 404),
        ({"name": "taken", "namespace_id": 1}, 409),
        ({"name": "x", "namespace_id": 1, "colour": "red"}, 400),
    ],
)
async def test_what_cannot_be_made_is_refused(
    server: Server, lab: int, body: dict[str, object], status: int
) -> None:
    await _project(server, namespace_id=lab, name="taken")
    assert lab == 1
    assert (await server.ask("POST", PATH, json=body)).status_code == status


async def test_a_token_is_minted_for_the_group_of_a_project(server: Server, lab: int) -> None:
    project = await _project(server, namespace_id=lab)
    path = "/api/v4/ai/access_tokens"
    minted = await server.ask("POST", path, json={"project_id": project["id"]})
    assert minted.json()["headers"]["X-Gitlab-Namespace-Id"] == str(lab)
    unknown = await server.ask("POST", path, json={"project_id": 99})
    assert (unknown.status_code, unknown.json()["message"]) == (404, "404 Project Not Found")
