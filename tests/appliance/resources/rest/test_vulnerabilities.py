from collections.abc import Mapping
from typing import Any

from tests.appliance.conftest import Server
from tests.appliance.resources.rest.conftest import made

WISH = {"title": "Open door", "severity": "high", "report_type": "sast"}


async def test_a_vulnerability_is_told_of_read_and_changed(server: Server, lab: str) -> None:
    identifier = {"external_type": "cwe", "external_id": "79", "name": "CWE-79"}
    found = await made(
        server,
        f"{lab}/vulnerabilities",
        **WISH,
        identifiers=[identifier],
        location={"file": "a.py", "start_line": 3},
        source_code="door = open\n",
    )
    assert (found["state"], found["project"]["full_path"]) == ("detected", "lab/test")
    assert found["identifiers"] == [{**identifier, "url": None}]
    assert found["location"] == {"file": "a.py", "start_line": 3, "end_line": None}
    one = f"/api/v4/vulnerabilities/{found['id']}"
    assert (await server.ask("GET", one)).json() == found
    body = {"state": "confirmed", "solution": "Close it.", "location": {"file": "b.py"}}
    changed = (await server.ask("PUT", one, json=body)).json()
    assert (changed["state"], changed["title"]) == ("confirmed", "Open door")
    assert changed["location"]["file"] == "b.py"
    (listed,) = (await server.ask("GET", f"{lab}/vulnerabilities")).json()
    assert (listed["id"], "source_code" in listed) == (found["id"], False)
    assert (await server.ask("DELETE", one)).status_code == 204
    assert (await server.ask("GET", one)).json()["message"] == "404 Vulnerability Not Found"


async def test_vulnerabilities_are_for_developers(
    server: Server, lab: str, people: Mapping[str, str]
) -> None:
    path = f"{lab}/vulnerabilities"
    for name, status in {"reporter": 403, "developer": 200}.items():
        assert (await server.ask("GET", path, pat=people[name])).status_code == status
    assert (await server.ask("POST", path, json=WISH, pat=people["reporter"])).status_code == 403
    found = await made(server, path, **WISH, pat=people["developer"])
    one = f"/api/v4/vulnerabilities/{found['id']}"
    for name, status in {"stranger": 404, "reporter": 404, "developer": 200}.items():
        assert (await server.ask("GET", one, pat=people[name])).status_code == status
        answer = await server.ask("PUT", one, json={"state": "resolved"}, pat=people[name])
        assert answer.status_code == status
    for name, status in {"reporter": 404, "keeper": 403}.items():
        assert (await server.ask("DELETE", one, pat=people[name])).status_code == status


UNFIT: list[tuple[dict[str, Any], str]] = [
    ({"title": None}, "title"),
    ({"severity": None}, "severity"),
    ({"severity": "mild"}, "severity"),
    ({"report_type": None}, "report_type"),
    ({"source_code": "a\0"}, "source_code"),
    ({"location": {"file": ""}}, "location"),
    ({"location": {"file": "a", "start_line": 3, "end_line": 2}}, "location"),
    ({"identifiers": [{"external_type": "", "external_id": "1", "name": "n"}]}, "identifiers"),
]


async def test_what_cannot_be_a_vulnerability_is_refused_by_field(server: Server, lab: str) -> None:
    for changes, field in UNFIT:
        answer = await server.ask("POST", f"{lab}/vulnerabilities", json={**WISH, **changes})
        assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])
