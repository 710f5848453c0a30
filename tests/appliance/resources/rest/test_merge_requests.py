from collections.abc import Mapping
from typing import Any

from tests.appliance.conftest import Server
from tests.appliance.resources.rest.conftest import made

ALL = "/api/v4/merge_requests"
WISH = {"title": "Put it out", "source_branch": "water", "target_branch": "main"}
DIFF = {"new_path": "a.py", "diff": "@@ -1 +1 @@\n-a\n+b\n"}


async def _listed(server: Server, path: str, *, pat: str | None = None) -> list[int]:
    answer = await server.ask("GET", path, pat=pat)
    assert answer.status_code == 200, answer.text
    return [each["iid"] for each in answer.json()]


async def test_a_merge_request_has_gitlab_s_fields(server: Server, lab: str) -> None:
    await made(server, f"{lab}/issues", title="It burns")
    shown = await made(server, f"{lab}/merge_requests", **WISH, labels="hot")
    assert (shown["iid"], shown["state"], shown["draft"]) == (1, "opened", False)
    assert (shown["source_branch"], shown["target_branch"]) == ("water", "main")
    assert shown["web_url"] == "http://127.0.0.1:8080/lab/test/-/merge_requests/1"
    assert shown["references"]["full"] == "lab/test!1"
    assert (await server.ask("GET", f"{lab}/merge_requests/1")).json() == shown
    missing = await server.ask("GET", f"{lab}/merge_requests/2")
    assert missing.json()["message"] == "404 Merge Request Not Found"


async def test_what_it_changes_is_told_and_replaced(server: Server, lab: str) -> None:
    new = {"old_path": "b", "new_path": "c", "renamed_file": True}
    await made(server, f"{lab}/merge_requests", **WISH, diffs=[DIFF, new])
    one = f"{lab}/merge_requests/1"
    changes = (await server.ask("GET", f"{one}/changes")).json()["changes"]
    assert [each["new_path"] for each in changes] == ["a.py", "c"]
    assert (changes[0]["old_path"], changes[0]["diff"]) == ("a.py", DIFF["diff"])
    assert (changes[1]["old_path"], changes[1]["renamed_file"]) == ("b", True)
    paged = await server.ask("GET", f"{one}/diffs?per_page=1&page=2")
    assert (paged.json(), paged.headers["x-total"]) == ([changes[1]], "2")
    assert f"{one}/diffs?page=1" in paged.headers["link"]
    await server.ask("PUT", one, json={"title": "Draft: Put it out"})
    assert len((await server.ask("GET", f"{one}/diffs")).json()) == 2
    await server.ask("PUT", one, json={"diffs": [{"new_path": "d", "new_file": True}]})
    (left,) = (await server.ask("GET", f"{one}/diffs")).json()
    assert (left["new_path"], left["new_file"], left["a_mode"]) == ("d", True, "0")
    assert (await server.ask("GET", f"{one}/versions/99")).status_code == 404


async def test_a_merge_request_goes_through_its_states(server: Server, lab: str) -> None:
    await made(server, f"{lab}/merge_requests", **{**WISH, "title": "Draft: Put it out"})
    one = f"{lab}/merge_requests/1"

    async def put(path: str = one, **body: Any) -> tuple[int, str]:
        answer = await server.ask("PUT", path, json=body or None)
        return answer.status_code, answer.json().get("state") or answer.json()["code"]

    assert await put(f"{one}/merge") == (409, "state_unfit")
    assert await put(title="Put it out", state_event="close") == (200, "closed")
    assert await put(f"{one}/merge") == (409, "state_unfit")
    assert await put(state_event="reopen") == (200, "opened")
    assert await put(f"{one}/merge") == (200, "merged")
    assert await put(state_event="close") == (409, "state_unfit")
    assert await put(description="done", labels="a") == (200, "merged")
    assert await _listed(server, f"{lab}/merge_requests?state=merged") == [1]
    assert (await server.ask("DELETE", one)).status_code == 204
    assert (await server.ask("GET", f"{one}/changes")).status_code == 404


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"source_branch": None}, "source_branch"),
    ({"target_branch": ""}, "target_branch"),
    ({"diffs": [{"new_path": "", "diff": ""}]}, "diffs"),
    ({"diffs": [{**DIFF, "old_path": "a\nb"}]}, "diffs"),
    ({"diffs": [{**DIFF, "diff": "a\0"}]}, "diffs"),
    ({"diffs": [{**DIFF, "diff": "x" * 300_000}]}, "diffs"),
    ({"diffs": [{"new_path": "a"}] * 1001}, "diffs"),
    ({"diffs": [{**DIFF, "colour": "red"}]}, "diffs.0.colour"),
]


async def test_what_cannot_be_a_merge_request_is_refused_by_field(server: Server, lab: str) -> None:
    for changes, field in UNFIT:
        answer = await server.ask("POST", f"{lab}/merge_requests", json={**WISH, **changes})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


async def test_merge_requests_are_found(
    server: Server, lab: str, people: Mapping[str, str]
) -> None:
    path = f"{lab}/merge_requests"
    await made(server, path, **WISH, pat=people["developer"])
    await made(server, path, title="draft: x", source_branch="x", target_branch="main")
    for query, found in {
        "": [2, 1],
        "?draft=true": [2],
        "?wip=no": [1],
        "?source_branch=water": [1],
        "?source_branch=%00x": [2],
        "?target_branch=main": [2, 1],
        "?author_username=developer": [1],
        "?state=closed": [],
    }.items():
        assert await _listed(server, f"{path}{query}") == found, query
        assert await _listed(server, f"{ALL}?scope=all&{query[1:]}") == found, query
    assert await _listed(server, ALL, pat=people["developer"]) == [1]
    await server.ask("PUT", lab, json={"visibility": "private"})
    assert await _listed(server, f"{ALL}?scope=all", pat=people["stranger"]) == []
    assert (await server.ask("GET", f"{path}/1", pat=people["stranger"])).status_code == 404


async def test_who_may_make_and_change_a_merge_request(
    server: Server, lab: str, people: Mapping[str, str]
) -> None:
    path = f"{lab}/merge_requests"
    assert (await server.ask("POST", path, json=WISH, pat=people["reporter"])).status_code == 403
    await made(server, path, **WISH, pat=people["developer"])
    bodies: list[dict[str, Any]] = [{"title": "Other"}, {"diffs": []}]
    for body in bodies:
        for name, status in {"reporter": 403, "keeper": 200}.items():
            answer = await server.ask("PUT", f"{path}/1", json=body, pat=people[name])
            assert answer.status_code == status
    assert (await server.ask("PUT", f"{path}/1/merge", pat=people["reporter"])).status_code == 403
    assert (await server.ask("DELETE", f"{path}/1", pat=people["keeper"])).status_code == 403


async def test_an_author_who_lost_the_role_changes_words_only(
    server: Server, lab: str, people: Mapping[str, str]
) -> None:
    one, pat = f"{lab}/merge_requests/1", people["developer"]
    made_one = await made(server, f"{lab}/merge_requests", **WISH, pat=pat)
    member = f"/api/v4/groups/lab/members/{made_one['author']['id']}"
    await server.ask("PUT", member, json={"access_level": 10})
    assert (await server.ask("PUT", one, json={"title": "Other"}, pat=pat)).status_code == 200
    bodies: list[dict[str, Any]] = [{"diffs": []}, {"target_branch": "x"}]
    for body in bodies:
        assert (await server.ask("PUT", one, json=body, pat=pat)).status_code == 403


async def test_a_project_s_list_has_nothing_of_another_s(server: Server, lab: str) -> None:
    body = {"name": "Other", "namespace_id": 1}
    other = (await server.ask("POST", "/api/v4/projects", json=body)).json()["id"]
    path = f"/api/v4/projects/{other}/merge_requests"
    await made(server, path, **WISH)
    assert await _listed(server, f"{lab}/merge_requests") == []
    assert await _listed(server, path) == [1]
    assert await _listed(server, f"{ALL}?scope=all") == [1]
