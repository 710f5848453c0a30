"""A project over REST, with people of several roles in it."""

from collections.abc import Mapping
from typing import Any

import pytest

from tests.appliance.conftest import Server

GUEST, REPORTER, DEVELOPER, MAINTAINER = 10, 20, 30, 40


@pytest.fixture
async def lab(server: Server) -> str:
    """The address of a project; it lies in a group that all who are signed in may know of."""
    group = {"name": "Lab", "path": "lab", "visibility": "internal"}
    number = (await server.ask("POST", "/api/v4/groups", json=group)).json()["id"]
    body = {"name": "Test", "namespace_id": number, "visibility": "internal"}
    made = (await server.ask("POST", "/api/v4/projects", json=body)).json()
    return f"/api/v4/projects/{made['id']}"


@pytest.fixture
async def people(server: Server, lab: str) -> Mapping[str, str]:
    """Tokens of those with a role there, and of `stranger`, who has none."""
    assert lab
    levels = {"guest": GUEST, "reporter": REPORTER, "developer": DEVELOPER, "keeper": MAINTAINER}
    tokens = {"stranger": (await server.new_user("stranger"))[1]}
    for name, level in levels.items():
        number, tokens[name] = await server.new_user(name)
        body = {"user_id": number, "access_level": level}
        assert (await server.ask("POST", "/api/v4/groups/lab/members", json=body)).is_success
    return tokens


async def made(server: Server, path: str, *, pat: str | None = None, **body: Any) -> dict[str, Any]:
    """What a POST made."""
    answer = await server.ask("POST", path, json=body, pat=pat)
    assert answer.status_code == 201, answer.text
    thing: dict[str, Any] = answer.json()
    return thing
