from collections.abc import Mapping

import pytest

from tests.appliance.conftest import Server
from tests.appliance.resources.rest.conftest import made


@pytest.fixture
async def one(server: Server, lab: str) -> str:
    wish = {"title": "t", "source_branch": "s", "target_branch": "main"}
    await made(server, f"{lab}/merge_requests", **wish)
    return f"{lab}/merge_requests/1"


async def _drafts(server: Server, one: str, pat: str | None = None) -> list[str]:
    answer = await server.ask("GET", f"{one}/draft_notes", pat=pat)
    assert answer.headers["x-total"] == str(len(answer.json()))
    return [each["note"] for each in answer.json()]


async def _said(server: Server, one: str) -> list[str]:
    answer = await server.ask("GET", f"{one}/notes?sort=asc")
    return [each["body"] for each in answer.json()]


async def test_a_review_is_written_down_and_then_published(server: Server, one: str) -> None:
    path = f"{one}/draft_notes"
    drafts = [await made(server, path, note=note) for note in ("a", "b", "c", "d")]
    first, second, third, _ = (f"{path}/{each['id']}" for each in drafts)
    assert (await server.ask("GET", first)).json() == drafts[0]
    assert (await server.ask("PUT", second, json={"note": "B"})).json()["note"] == "B"
    assert (await server.ask("DELETE", third)).status_code == 204
    assert await _drafts(server, one) == ["a", "B", "d"]
    assert await _said(server, one) == []
    assert (await server.ask("PUT", f"{second}/publish")).status_code == 204
    assert await _said(server, one) == ["B"]
    assert (await server.ask("POST", f"{path}/bulk_publish")).status_code == 204
    assert (await _drafts(server, one), await _said(server, one)) == ([], ["B", "a", "d"])
    assert (await server.ask("PUT", f"{second}/publish")).status_code == 404


async def test_only_its_author_sees_what_is_not_published(
    server: Server, one: str, people: Mapping[str, str]
) -> None:
    draft = await made(server, f"{one}/draft_notes", note="hm", pat=people["guest"])
    path = f"{one}/draft_notes/{draft['id']}"
    assert await _drafts(server, one) == []
    for method, address in (("GET", path), ("DELETE", path), ("PUT", f"{path}/publish")):
        answer = await server.ask(method, address)
        assert (answer.status_code, answer.json()["message"]) == (404, "404 Draft Note Not Found")
    await server.ask("POST", f"{one}/draft_notes/bulk_publish")
    assert await _drafts(server, one, people["guest"]) == ["hm"]


async def test_what_cannot_be_written_down_is_refused(server: Server, one: str) -> None:
    answer = await server.ask("POST", f"{one}/draft_notes", json={"note": ""})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["note"])
