import json
import re
from pathlib import Path
from typing import Any

import pytest
import structlog
from litestar import Litestar, get
from litestar.routes import HTTPRoute
from litestar.testing import AsyncTestClient
from sqlmodel import text

from appliance.accounts.rest import require_access
from appliance.accounts.rules import Access
from appliance.app import (
    RouteWithoutAccessError,
    _check_every_route_states_its_access,
    create_app,
)
from appliance.clock import utc_now
from appliance.storage.engine import Db, Row
from appliance.storage.identity import NotInitializedError
from appliance.storage.sealing import MasterKeyMissingError, MasterKeyWrongError
from tests.appliance.conftest import FilledHome, Server
from tests.instance_builders import MODEL_API_KEY


def test_a_route_that_does_not_say_whom_it_is_open_to_stops_the_start() -> None:
    @get("/forgotten")
    async def forgotten() -> None: ...

    with pytest.raises(RouteWithoutAccessError, match="/forgotten"):
        _check_every_route_states_its_access(Litestar([forgotten], openapi_config=None))


async def test_a_route_that_states_nothing_is_refused_even_if_it_is_served() -> None:
    @get("/forgotten")
    async def forgotten() -> None: ...

    app = Litestar([forgotten], guards=[require_access], openapi_config=None, logging_config=None)
    async with AsyncTestClient(app) as client:
        assert (await client.get("/forgotten")).status_code == 500
        assert (await client.options("/forgotten")).status_code == 204


async def test_only_what_is_meant_to_is_open_without_a_token(server: Server) -> None:
    for route in server.app.routes:
        if not isinstance(route, HTTPRoute):
            # Sockets ask by themselves, and have their own tests.
            assert route.route_handler.opt["access"] is Access.SOCKET
            continue
        path = re.sub(r"\{\w+:\w+\}", "1", route.path)
        for handler in route.route_handlers:
            for method in handler.http_methods - {"OPTIONS"}:
                answer = await server.ask(method, path, pat="")
                is_public = handler.opt["access"] is Access.PUBLIC
                assert (answer.status_code == 401) is not is_public, (method, path)


async def test_what_is_not_there_is_a_problem_in_one_form(server: Server) -> None:
    nowhere = await server.ask("GET", "/api/v4/nothing")
    assert nowhere.json() == {"message": "404 Not Found", "code": "not_found"}
    wrong = await server.ask("DELETE", "/api/v4/users")
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert "GET" in wrong.headers["allow"]
    assert (await server.ask("OPTIONS", "/api/v4/users", pat="")).status_code == 204


@pytest.mark.parametrize(
    ("content", "status", "code"),
    [
        (b"", 400, "invalid_fields"),
        (b"{", 400, "invalid_request"),
        (b"[]", 400, "invalid_fields"),
        (b"5", 400, "invalid_fields"),
        (b'{"name": "\xff"}', 400, "invalid_request"),
        (b'{"name": "\\ud800"}', 400, "invalid_request"),
        (b'"' + b"x" * 1_100_000 + b'"', 413, "request_too_large"),
    ],
)
async def test_a_body_that_cannot_be_read_is_refused(
    server: Server, content: bytes, status: int, code: str
) -> None:
    headers = {"Content-Type": "application/json"}
    answer = await server.ask("POST", "/api/v4/users", content=content, headers=headers)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def test_a_fault_shows_nothing_of_itself(server: Server) -> None:
    await server.db.write(lambda session: session.execute(text("DROP TABLE self_hosted_models")))
    answer = await server.ask("GET", "/api/v4/ai/self_hosted_models")
    assert (answer.status_code, answer.json()["code"]) in {
        (500, "internal_error"),
        (503, "database_unavailable"),
    }
    assert "self_hosted_models" not in answer.text


async def test_an_instance_that_was_not_filled_does_not_start(
    filled: FilledHome, migrated_url: str
) -> None:
    with pytest.raises(NotInitializedError):
        create_app(filled.settings(database_url=migrated_url))


async def test_without_its_master_key_it_does_not_start(filled: FilledHome) -> None:
    with pytest.raises(MasterKeyMissingError):
        create_app(filled.settings(master_key_file="/nowhere/master.key"))
    other = filled.home / "other.key"
    _write_private(other, "A" * 43 + "=")
    with pytest.raises(MasterKeyWrongError):
        create_app(filled.settings(master_key_file=other))


def _write_private(path: Path, content: str) -> None:
    path.write_text(content)
    path.chmod(0o600)


def _everything_in(db: Db) -> str:
    def dump(session: Any) -> str:
        found = []
        for table in Row.metadata.sorted_tables:
            for row in session.execute(table.select()):
                found += [
                    value.decode("latin-1") if isinstance(value, bytes) else str(value)
                    for value in row
                ]
        return "\n".join(found)

    return db.read_blocking(dump)


async def test_no_secret_is_in_a_row_a_log_or_an_answer(server: Server) -> None:
    with structlog.testing.capture_logs() as lines:
        number, pat = await server.new_user("ada", password="canary-password-1")
        body = {"ref": "m", "name": "M", "endpoint": "http://127.0.0.1/v1", "identifier": "m"}
        await server.ask(
            "POST", "/api/v4/ai/self_hosted_models", json={**body, "api_key": "sk-canary-1"}
        )
        await server.ask("PUT", f"/api/v4/users/{number}", json={"password": "canary-password-2"})
        minted = (await server.ask("POST", "/api/v4/ai/access_tokens", pat=pat)).json()["token"]
        await server.ask("POST", "/api/v4/users", json={"password": "canary-password-3"})
    given = [server.filled.secret(name) for name in ("password", "token")]
    secrets = [*given, pat, MODEL_API_KEY, "canary", minted, "PRIVATE KEY"]
    told = "\n".join(answer.text for answer in server.heard[2:3] + server.heard[4:])
    told = told.replace(minted, "")
    logged = json.dumps(lines, default=repr)
    kept = _everything_in(server.db)
    for secret in secrets:
        assert secret not in kept
        assert secret not in logged
        assert secret not in told


def test_the_clock_of_a_running_instance_knows_its_zone() -> None:
    assert utc_now().utcoffset() is not None
