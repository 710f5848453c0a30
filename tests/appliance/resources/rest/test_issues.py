from collections.abc import Mapping
from typing import Any

from tests.appliance.conftest import Server
from tests.appliance.resources.rest.conftest import made

ALL = "/api/v4/issues"


async def _listed(server: Server, path: str, *, pat: str | None = None) -> list[int]:
    answer = await server.ask("GET", path, pat=pat)
    assert answer.status_code == 200, answer.text
    return [each["iid"] for each in answer.json()]


async def test_an_issue_has_gitlab_s_fields(server: Server, lab: str) -> None:
    issue = await made(server, f"{lab}/issues", title="It burns", labels="bug,hot,bug")
    assert (issue["iid"], issue["state"], issue["labels"]) == (1, "opened", ["bug", "hot"])
    assert issue["author"]["username"] == "admin"
    assert issue["web_url"] == "http://127.0.0.1:8080/lab/test/-/issues/1"
    assert issue["references"]["full"] == "lab/test#1"
    assert issue["_links"]["notes"].endswith(f"{lab}/issues/1/notes")
    assert (await server.ask("GET", f"{lab}/issues/1")).json() == issue
    by_name = await server.ask("GET", "/api/v4/projects/lab%2Ftest/issues/1")
    assert by_name.json() == issue
    for number in (0, 2, 99_999_999_999):
        missing = await server.ask("GET", f"{lab}/issues/{number}")
        assert (missing.status_code, missing.json()["message"]) == (404, "404 Issue Not Found")


async def test_an_issue_is_changed_closed_and_opened(server: Server, lab: str) -> None:
    await made(server, f"{lab}/issues", title="It burns", description="much", labels=["a", "b"])
    path = f"{lab}/issues/1"
    body: dict[str, Any] = {"title": "It burned", "add_labels": "c", "remove_labels": ["a"]}
    changed = (await server.ask("PUT", path, json={**body, "state_event": "close"})).json()
    assert (changed["title"], changed["description"]) == ("It burned", "much")
    assert (changed["labels"], changed["state"]) == (["b", "c"], "closed")
    assert changed["closed_at"] is not None
    opened = (await server.ask("PUT", path, json={"state_event": "reopen", "labels": ""})).json()
    assert (opened["state"], opened["closed_at"], opened["labels"]) == ("opened", None, [])
    assert (await server.ask("DELETE", path)).status_code == 204
    assert (await server.ask("GET", path)).status_code == 404


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({}, "title"),
    ({"title": " "}, "title"),
    ({"title": "x" * 256}, "title"),
    ({"title": "a\nb"}, "title"),
    ({"title": "x", "description": "a\0b"}, "description"),
    ({"title": "x", "description": "x" * 300_000}, "description"),
    ({"title": "x", "labels": ["a,b"]}, "labels"),
    ({"title": "x", "labels": ",".join(map(str, range(101)))}, "labels"),
    ({"title": "x", "confidential": "yes"}, "confidential"),
    ({"title": "x", "colour": "red"}, "colour"),
]


async def test_what_cannot_be_an_issue_is_refused_by_field(server: Server, lab: str) -> None:
    for body, field in UNFIT:
        answer = await server.ask("POST", f"{lab}/issues", json=body)
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


async def test_half_a_character_and_too_much_are_refused(server: Server, lab: str) -> None:
    for content in (b'{"title": "\\ud800"}', b'{"title": "x", "description": "\\ud800"}'):
        answer = await server.ask("POST", f"{lab}/issues", content=content)
        assert answer.status_code == 400
    much = {"title": "x", "description": "x" * 1_100_000}
    assert (await server.ask("POST", f"{lab}/issues", json=much)).status_code == 413


async def test_issues_are_found(server: Server, lab: str) -> None:
    path = f"{lab}/issues"
    await made(server, path, title="Fire", labels="hot,red")
    server.clock.advance(days=1)
    await made(server, path, title="Ice", description="no FIRE here", labels="Hot")
    server.clock.advance(days=1)
    await made(server, path, title="100% water", confidential=True)
    await server.ask("PUT", f"{path}/2", json={"state_event": "close"})
    for query, found in {
        "": [3, 2, 1],
        "?sort=asc": [1, 2, 3],
        "?order_by=title&sort=asc": [3, 1, 2],
        "?order_by=updated_at": [3, 2, 1],
        "?state=opened": [3, 1],
        "?state=closed": [2],
        "?search=fire": [2, 1],
        "?search=fire&in=title": [1],
        "?search=0%25": [3],
        "?labels=hot": [1],
        "?labels=hot,red": [1],
        "?labels=ho": [],
        "?labels=None": [3],
        "?labels=Any": [2, 1],
        "?confidential=true": [3],
        "?iids[]=1&iids[]=3&iids[]=99999999999": [3, 1],
        "?created_after=2026-11-22T00:00:00Z": [3, 2],
        "?created_before=2026-11-22T00:00:00": [1],
        "?updated_after=2026-11-23T00:00:00%2B00:00": [3, 2],
        "?updated_before=2026-11-22T00:00:00Z": [1],
        "?author_username=admin": [3, 2, 1],
        "?author_username=nobody": [],
        "?author_id=1&author_username=nobody": [],
        "?author_id=99999999999": [],
        "?scope=created_by_me": [3, 2, 1],
    }.items():
        assert await _listed(server, f"{path}{query}") == found, query


UNANSWERED: list[str] = [
    "state=merged",
    "assignee_id=1",
    "milestone=v1",
    "scope=x",
    "created_after=x",
    "created_after=9999-12-31T23:59:59-10:00",
    "updated_before=0001-01-01T00:00:00%2B10:00",
    "search=" + "x" * 256,
    "search=%00",
    "labels=%00",
    "labels=" + ",".join(str(number) for number in range(101)),
]


async def test_a_question_that_has_no_answer_here_is_refused(server: Server, lab: str) -> None:
    for query in UNANSWERED:
        for path in (f"{lab}/issues", ALL):
            assert (await server.ask("GET", f"{path}?{query}")).status_code == 400


async def test_a_list_comes_in_pages(server: Server, lab: str) -> None:
    for number in range(3):
        await made(server, f"{lab}/issues", title=f"n{number}")
    answer = await server.ask("GET", f"{lab}/issues?per_page=2&state=opened")
    assert (len(answer.json()), answer.headers["x-total"]) == (2, "3")
    assert f"{lab}/issues?page=2&per_page=2&state=opened" in answer.headers["link"]


async def test_confidential_issues_are_for_their_author_and_reporters(
    server: Server, lab: str, people: Mapping[str, str]
) -> None:
    path = f"{lab}/issues"
    await made(server, path, title="Secret", confidential=True, pat=people["stranger"])
    await made(server, path, title="Open", pat=people["guest"])
    for name, seen in {"stranger": [2, 1], "guest": [2], "reporter": [2, 1]}.items():
        assert await _listed(server, path, pat=people[name]) == seen
        assert await _listed(server, f"{ALL}?scope=all", pat=people[name]) == seen
        answer = await server.ask("GET", f"{path}/1", pat=people[name])
        assert answer.status_code == (200 if 1 in seen else 404)
    assert await _listed(server, ALL, pat=people["stranger"]) == [1]
    assert await _listed(server, ALL) == []


async def test_issues_of_a_project_that_is_not_seen_are_not_there(
    server: Server, lab: str, people: Mapping[str, str]
) -> None:
    await made(server, f"{lab}/issues", title="Open", pat=people["stranger"])
    await server.ask("PUT", lab, json={"visibility": "private"})
    assert await _listed(server, f"{ALL}?scope=all", pat=people["stranger"]) == []
    assert await _listed(server, f"{ALL}?scope=all", pat=people["guest"]) == [1]
    for path in (f"{lab}/issues", f"{lab}/issues/1"):
        hidden = await server.ask("GET", path, pat=people["stranger"])
        unknown = await server.ask("GET", path.replace(lab, "/api/v4/projects/99"))
        assert (hidden.status_code, hidden.json()) == (404, unknown.json())


async def test_who_may_change_and_remove_an_issue(
    server: Server, lab: str, people: Mapping[str, str]
) -> None:
    await made(server, f"{lab}/issues", title="Open", pat=people["guest"])
    path, body = f"{lab}/issues/1", {"title": "Other"}
    for name, status in {"stranger": 403, "guest": 200, "reporter": 200}.items():
        answer = await server.ask("PUT", path, json=body, pat=people[name])
        assert answer.status_code == status, name
    for name in ("guest", "keeper"):
        assert (await server.ask("DELETE", path, pat=people[name])).status_code == 403
    assert (await server.ask("DELETE", path)).status_code == 204


async def test_a_project_s_list_has_nothing_of_another_s(server: Server, lab: str) -> None:
    body = {"name": "Other", "namespace_id": 1}
    other = (await server.ask("POST", "/api/v4/projects", json=body)).json()["id"]
    path = f"/api/v4/projects/{other}/issues"
    await made(server, path, title="It burns")
    assert await _listed(server, f"{lab}/issues") == []
    assert await _listed(server, path) == [1]
    assert await _listed(server, f"{ALL}?scope=all") == [1]


async def test_what_is_left_of_a_user_names_nobody(
    server: Server, lab: str, people: Mapping[str, str]
) -> None:
    issue = await made(server, f"{lab}/issues", title="It burns", pat=people["guest"])
    assert (await server.ask("DELETE", f"/api/v4/users/{issue['author']['id']}")).is_success
    assert (await server.ask("GET", f"{lab}/issues/1")).json()["author"] is None
