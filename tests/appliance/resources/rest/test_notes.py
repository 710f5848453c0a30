from collections.abc import Mapping

import pytest

from tests.appliance.conftest import Server
from tests.appliance.resources.rest.conftest import made

MERGE_REQUEST = {"title": "t", "source_branch": "s", "target_branch": "main"}


@pytest.fixture
async def issue(server: Server, lab: str) -> str:
    await made(server, f"{lab}/issues", title="It burns")
    return f"{lab}/issues/1"


@pytest.mark.parametrize("kind", ["issues", "merge_requests"])
async def test_something_is_said_changed_and_taken_back(
    server: Server, lab: str, kind: str
) -> None:
    await made(server, f"{lab}/{kind}", **(MERGE_REQUEST if kind != "issues" else {"title": "t"}))
    path = f"{lab}/{kind}/1/notes"
    note = await made(server, path, body="Water!")
    assert note["noteable_type"] == ("Issue" if kind == "issues" else "MergeRequest")
    assert (note["noteable_iid"], note["author"]["username"]) == (1, "admin")
    one = f"{path}/{note['id']}"
    assert (await server.ask("GET", one)).json() == note
    server.clock.advance(hours=1)
    changed = (await server.ask("PUT", one, json={"body": "Sand!"})).json()
    assert (changed["body"], changed["created_at"]) == ("Sand!", note["created_at"])
    assert changed["updated_at"] > note["updated_at"]
    shown = (await server.ask("GET", f"{lab}/{kind}/1")).json()
    assert shown["user_notes_count"] == 1
    assert (await server.ask("DELETE", one)).status_code == 204
    assert (await server.ask("GET", one)).json()["message"] == "404 Note Not Found"


async def test_notes_are_listed_newest_first_unless_asked_otherwise(
    server: Server, issue: str
) -> None:
    for body in ("a", "b", "c"):
        await made(server, f"{issue}/notes", body=body)
        server.clock.advance(hours=1)
    for query, said in {"": "cba", "?sort=asc": "abc", "?order_by=updated_at": "cba"}.items():
        answer = await server.ask("GET", f"{issue}/notes{query}")
        assert "".join(each["body"] for each in answer.json()) == said
    paged = await server.ask("GET", f"{issue}/notes?per_page=1")
    assert paged.headers["x-total"] == "3"
    assert f"{issue}/notes?page=2" in paged.headers["link"]
    assert (await server.ask("GET", f"{issue}/notes?sort=up")).status_code == 400


async def test_internal_notes_are_for_reporters(
    server: Server, issue: str, people: Mapping[str, str]
) -> None:
    path = f"{issue}/notes"
    wish = {"body": "psst", "internal": True}
    assert (await server.ask("POST", path, json=wish, pat=people["guest"])).status_code == 403
    note = await made(server, path, body="psst", confidential=True, pat=people["reporter"])
    assert note["internal"]
    for name, seen in {"stranger": 0, "guest": 0, "reporter": 1}.items():
        answer = await server.ask("GET", path, pat=people[name])
        assert len(answer.json()) == seen
        one = await server.ask("GET", f"{path}/{note['id']}", pat=people[name])
        assert one.status_code == (200 if seen else 404)
    assert (await server.ask("GET", issue)).json()["user_notes_count"] == 0


async def test_whoever_sees_it_may_speak_and_only_keepers_change_what_others_said(
    server: Server, issue: str, people: Mapping[str, str]
) -> None:
    path = f"{issue}/notes"
    note = await made(server, path, body="Help", pat=people["stranger"])
    one = f"{path}/{note['id']}"
    for name, status in {"stranger": 200, "developer": 403, "keeper": 200}.items():
        answer = await server.ask("PUT", one, json={"body": "x"}, pat=people[name])
        assert answer.status_code == status
    assert (await server.ask("DELETE", one, pat=people["developer"])).status_code == 403
    assert (await server.ask("DELETE", one, pat=people["keeper"])).status_code == 204


async def test_a_note_is_found_only_where_it_was_said(server: Server, lab: str, issue: str) -> None:
    note = await made(server, f"{issue}/notes", body="Water!")
    await made(server, f"{lab}/issues", title="other")
    await made(server, f"{lab}/merge_requests", **MERGE_REQUEST)
    for path in (f"{lab}/issues/2", f"{lab}/merge_requests/1", f"{lab}/issues/99"):
        one = f"{path}/notes/{note['id']}"
        assert (await server.ask("GET", one)).status_code == 404
        assert (await server.ask("DELETE", one)).status_code == 404


async def test_what_cannot_be_said_is_refused(server: Server, issue: str) -> None:
    bodies = [{}, {"body": " \n"}, {"body": "a\0"}, {"body": "x" * 300_000}]
    for body in bodies:
        answer = await server.ask("POST", f"{issue}/notes", json=body)
        assert (answer.status_code, list(answer.json()["errors"])) == (400, ["body"])
