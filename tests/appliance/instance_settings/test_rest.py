from collections.abc import Iterator
from typing import Any

import pytest
from httpx import Response

from tests.appliance.conftest import FilledHome, Server
from tests.fakes.gateway import FakeGateway, running_apart
from tests.graphql_asker import Asker

PATH = "/api/v4/ai/settings"


@pytest.fixture
def gateway(filled: FilledHome) -> Iterator[FakeGateway]:
    """The one that is registered from the start."""
    with running_apart(FakeGateway(signing=filled.keys.signing)) as running:
        yield running


@pytest.fixture
def stranger() -> Iterator[FakeGateway]:
    with running_apart(FakeGateway()) as running:
        yield running


async def _put(server: Server, **changes: Any) -> Response:
    return await server.ask("PUT", PATH, json=changes)


async def test_the_environment_holds_at_first(server: Server) -> None:
    assert (await server.ask("GET", PATH)).json() == {
        "instance_public_url": "http://127.0.0.1:8080",
        "gateway_public_url": "http://127.0.0.1:5052",
        "ai_gateway_url": "http://127.0.0.1:5052",
        "ai_gateway_timeout_seconds": 60,
        "ai_action_api_rate_limit": 160,
        "set_here": [],
        "updated_at": None,
    }


async def test_a_change_shows_everywhere_at_once(server: Server) -> None:
    changed = await _put(
        server, instance_public_url="http://127.0.0.2:1/i/", gateway_public_url="http://127.0.0.2"
    )
    assert changed.json()["set_here"] == ["gateway_public_url", "instance_public_url"]
    minted = (await server.ask("POST", "/api/v4/ai/access_tokens")).json()
    assert minted["base_url"] == "http://127.0.0.2"
    assert minted["headers"]["X-Gitlab-Host-Name"] == "127.0.0.2"
    found = (await server.ask("GET", "/.well-known/openid-configuration", pat="")).json()
    assert found["issuer"] == "http://127.0.0.2:1/i"
    assert found["jwks_uri"] == "http://127.0.0.2:1/i/oauth/discovery/keys"
    user = (await server.ask("GET", "/api/v4/user")).json()
    assert user["web_url"] == "http://127.0.0.2:1/i/admin"


async def test_null_takes_a_setting_back(server: Server) -> None:
    await _put(server, ai_gateway_timeout_seconds=600)
    back = (await _put(server, ai_gateway_timeout_seconds=None)).json()
    assert (back["ai_gateway_timeout_seconds"], back["set_here"]) == (60, [])


async def test_a_registered_gateways_address_is_saved(server: Server, gateway: FakeGateway) -> None:
    answer = await _put(server, ai_gateway_url=f"{gateway.url}/")
    assert answer.status_code == 200, answer.text
    assert answer.json()["ai_gateway_url"] == gateway.url


async def test_an_address_is_refused_with_what_was_wrong_there(
    server: Server, gateway: FakeGateway, stranger: FakeGateway
) -> None:
    answers = {
        stranger.url: "gateway_not_registered",
        f"{gateway.url}/v1": "not_a_gateway",
        "http://127.0.0.1:9": "gateway_unreachable",
        "http://192.0.2.1": "address_outside_networks",
        "http://u:p@127.0.0.1": "invalid_fields",
    }
    for url, code in answers.items():
        answer = await _put(server, ai_gateway_url=url)
        assert (answer.status_code, answer.json()["code"]) == (400, code)
        assert list(answer.json()["errors"]) == ["ai_gateway_url"]
    assert (await server.ask("GET", PATH)).json()["set_here"] == []


async def test_settings_are_for_admins(server: Server) -> None:
    _, pat = await server.new_user("ada")
    for method in ("GET", "PUT"):
        answer = await server.ask(method, PATH, pat=pat, json={})
        assert (answer.status_code, answer.json()["code"]) == (403, "admin_needed")


async def test_an_unknown_setting_is_named(server: Server) -> None:
    answer = await _put(server, ai_gateway="x")
    assert (answer.status_code, "ai_gateway" in answer.json()["errors"]) == (400, True)


async def test_tokens_of_the_issuer_before_stay_good(asker: Asker) -> None:
    server = asker.server
    token = (await server.ask("POST", "/api/v4/ai/access_tokens")).json()["token"]
    await _put(server, instance_public_url="http://127.0.0.3")
    headers = {"Authorization": f"Bearer {token}"}
    path = "/api/v4/ai/requests"
    answer = await server.ask("POST", path, pat="", headers=headers, json={"messages": []})
    # Nothing answers where the gateway should be, so the token was good.
    assert answer.json()["code"] == "gateway_unavailable"
