from collections.abc import Mapping
from typing import Any

from tests.appliance.conftest import Server
from tests.appliance.resources.rest.conftest import made


async def test_a_job_is_told_of_and_read(server: Server, lab: str) -> None:
    job = await made(server, f"{lab}/jobs", name="rspec", status="running")
    assert (job["stage"], job["ref"], job["finished_at"]) == ("test", "main", None)
    assert job["web_url"].endswith(f"/lab/test/-/jobs/{job['id']}")
    one = f"{lab}/jobs/{job['id']}"
    server.clock.advance(seconds=90)
    body = {"status": "failed", "failure_reason": "script_failure", "trace": "$ make\nerror ü\n"}
    ended = (await server.ask("PUT", one, json=body)).json()
    assert (ended["status"], ended["duration"]) == ("failed", 90)
    assert (await server.ask("GET", one)).json() == ended
    trace = await server.ask("GET", f"{one}/trace")
    assert (trace.text, trace.headers["content-type"]) == (
        body["trace"],
        "text/plain; charset=utf-8",
    )
    renamed = (await server.ask("PUT", one, json={"name": "lint", "status": "failed"})).json()
    assert (renamed["name"], renamed["finished_at"]) == ("lint", ended["finished_at"])


async def test_jobs_are_listed_newest_first_by_status(server: Server, lab: str) -> None:
    for status in ("failed", "success", "manual"):
        await made(server, f"{lab}/jobs", name=status, status=status)
    for query, names in {
        "": ["manual", "success", "failed"],
        "?scope=failed": ["failed"],
        "?scope[]=failed&scope[]=manual": ["manual", "failed"],
    }.items():
        answer = await server.ask("GET", f"{lab}/jobs{query}")
        assert [each["name"] for each in answer.json()] == names
    assert (await server.ask("GET", f"{lab}/jobs?scope=x")).status_code == 400


async def test_a_job_is_found_only_in_its_project(server: Server, lab: str) -> None:
    body = {"name": "Other", "namespace_id": 1}
    other = (await server.ask("POST", "/api/v4/projects", json=body)).json()["id"]
    job = await made(server, f"{lab}/jobs", name="rspec", trace="secret")
    for number in (job["id"], 99, 99_999_999_999):
        path = f"/api/v4/projects/{other}/jobs/{number}"
        for method, address in (("GET", path), ("GET", f"{path}/trace"), ("PUT", path)):
            answer = await server.ask(method, address, json={} if method == "PUT" else None)
            assert (answer.status_code, answer.json()["message"]) == (404, "404 Job Not Found")


async def test_developers_tell_of_jobs(server: Server, lab: str, people: Mapping[str, str]) -> None:
    wish = {"name": "rspec"}
    answer = await server.ask("POST", f"{lab}/jobs", json=wish, pat=people["reporter"])
    assert answer.status_code == 403
    job = await made(server, f"{lab}/jobs", **wish, pat=people["developer"])
    one = f"{lab}/jobs/{job['id']}"
    assert (await server.ask("PUT", one, json=wish, pat=people["reporter"])).status_code == 403
    assert (await server.ask("GET", f"{one}/trace", pat=people["stranger"])).text == ""


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({}, "name"),
    ({"name": "x", "status": "x"}, "status"),
    ({"name": "x", "stage": "a\nb"}, "stage"),
    ({"name": "x", "ref": ""}, "ref"),
    ({"name": "x", "trace": "a\0b"}, "trace"),
]


async def test_what_cannot_be_a_job_is_refused_by_field(server: Server, lab: str) -> None:
    for body, field in UNFIT:
        answer = await server.ask("POST", f"{lab}/jobs", json=body)
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
