from pathlib import Path

import pytest
from sqlmodel import delete

from appliance.access_tokens.tables import SigningKeyRow
from appliance.app import release
from appliance.storage.sealing import SealingCheckRow
from tests.appliance.conftest import Server


async def test_a_living_instance_is_healthy(server: Server) -> None:
    answer = await server.ask("GET", "/-/health", pat="")
    assert (answer.status_code, answer.text) == (200, "ok")


async def test_a_filled_instance_is_ready(server: Server) -> None:
    answer = await server.ask("GET", "/-/readiness", pat="")
    assert answer.status_code == 200
    assert set(answer.json()["checks"].values()) == {"ok"}


async def test_an_admin_sees_that_nothing_was_refused(server: Server) -> None:
    answer = await server.ask("GET", "/api/v4/ai/egress")
    reasons = {"host": 0, "network": 0, "unguarded": 0}
    assert answer.json() == {"service": "instance", "refused": 0, "reasons": reasons}
    assert (await server.ask("GET", "/api/v4/ai/egress", pat="")).status_code == 401


async def test_without_a_signing_key_it_is_not_ready_and_says_so(server: Server) -> None:
    await server.db.write(lambda session: session.exec(delete(SigningKeyRow)))
    answer = await server.ask("GET", "/-/readiness", pat="")
    assert answer.status_code == 503
    checks = answer.json()["checks"]
    assert checks == {"database": "ok", "master_key": "ok", "signing_key": "no_signing_key"}
    minted = await server.ask("POST", "/api/v4/ai/access_tokens")
    assert (minted.status_code, minted.json()["code"]) == (503, "no_signing_key")
    assert minted.headers["retry-after"] == "1"


async def test_a_database_of_another_key_is_not_ready(server: Server) -> None:
    await server.db.write(lambda session: session.exec(delete(SealingCheckRow)))
    answer = await server.ask("GET", "/-/readiness", pat="")
    assert (answer.status_code, answer.json()["checks"]["master_key"]) == (503, "master_key_wrong")


def _lose_the_database(server: Server) -> None:
    server.db.close()
    path = Path(server.filled.url.removeprefix("sqlite:///"))
    path.unlink()
    path.mkdir()


async def test_a_lost_database_is_named(server: Server) -> None:
    if not server.filled.url.startswith("sqlite"):
        pytest.skip("The server of the tests cannot be lost for one test alone.")
    _lose_the_database(server)
    answer = await server.ask("GET", "/-/readiness", pat="")
    assert answer.json()["checks"]["database"] == "database_unavailable"
    page = await server.ask("GET", "/", pat="")
    assert (page.status_code, page.json()["code"]) == (503, "database_unavailable")


async def test_any_token_reads_the_version(server: Server) -> None:
    _, pat = await server.new_user("ada", "ai_features")
    version = (await server.ask("GET", "/api/v4/version", pat=pat)).json()
    metadata = (await server.ask("GET", "/api/v4/metadata", pat=pat)).json()
    assert version == {"version": "18.9.0", "revision": release()}
    assert metadata["version"] == version["version"]
    assert metadata["kas"]["enabled"] is False
    assert (await server.ask("GET", "/api/v4/version", pat="")).status_code == 401


async def test_metrics_are_for_admins_and_count_by_route(server: Server) -> None:
    await server.ask("GET", "/api/v4/users/1")
    await server.ask("GET", "/nowhere")
    text = (await server.ask("GET", "/-/metrics")).text
    assert 'route="/api/v4/users/{user_id}",status="200"} 1.0' in text
    assert 'route="none",status="404"} 1.0' in text
    assert (await server.ask("GET", "/-/metrics", pat="")).status_code == 401
    _, pat = await server.new_user("ada")
    assert (await server.ask("GET", "/-/metrics", pat=pat)).status_code == 403
