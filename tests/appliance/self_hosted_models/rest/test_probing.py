from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
from httpx import Response

from gateway.contract.probing import CHECK_PATH, Finding, ModelChecked
from tests.appliance.conftest import FilledHome, Server
from tests.fakes.gateway import FakeGateway, running_apart

PATH = "/api/v4/ai/self_hosted_models"
BODY = {
    "ref": "Qwen-7B",
    "name": "Qwen 7B",
    "endpoint": "http://127.0.0.1:9000/v1/",
    "identifier": "qwen",
    "api_key": "sk-canary",
}
FINE = Finding(name="address", success=True, code="ok", message="It is reached.")
CLOSED = Finding(
    name="address",
    success=False,
    code="port_closed",
    message="Nothing listens there.",
    fix="Start it.",
    proposes={"endpoint": "http://127.0.0.1:9001/v1"},
)


def finds(gateway: FakeGateway, *findings: Finding) -> None:
    gateway.headers = {"Content-Type": "application/json"}
    gateway.parts = [msgspec.json.encode(ModelChecked(findings=findings))]


@pytest.fixture
def gateway(filled: FilledHome) -> Iterator[FakeGateway]:
    with running_apart(FakeGateway(signing=filled.keys.signing)) as running:
        finds(running, FINE)
        yield running


@pytest.fixture
async def checking(server: Server, gateway: FakeGateway) -> Server:
    """An instance that calls the fake gateway."""
    path = "/api/v4/ai/settings"
    answer = await server.ask("PUT", path, json={"ai_gateway_url": gateway.url})
    assert answer.status_code == 200, answer.text
    return server


def asked(gateway: FakeGateway) -> dict[str, Any]:
    """What the gateway was asked to try last."""
    path, _, body = gateway.heard[-1]
    assert path == CHECK_PATH
    said: dict[str, Any] = msgspec.json.decode(body)
    return said


async def check(server: Server, path: str, body: Any = None, **rest: Any) -> Response:
    return await server.ask("POST", f"{PATH}{path}/check", json=body or {}, **rest)


async def test_an_unsaved_model_is_tried_by_the_gateway(
    checking: Server, gateway: FakeGateway
) -> None:
    answer = await check(checking, "", BODY)
    assert answer.status_code == 200, answer.text
    assert answer.json() == {
        "success": True,
        "message": "The model answers at http://127.0.0.1:9000/v1/, and streams.",
        "details": {"code": "ok", "fix": None, "proposes": {}},
        "errors": [],
        "probes": [
            {
                "name": "address",
                "success": True,
                "code": "ok",
                "message": "It is reached.",
                "fix": None,
                "proposes": {},
            }
        ],
    }
    assert asked(gateway) == {
        "endpoint": "http://127.0.0.1:9000/v1/",
        "identifier": "qwen",
        "api_key": "sk-canary",
    }
    assert len((await checking.ask("GET", PATH)).json()) == 1


async def test_a_fault_is_told_with_its_fix(checking: Server, gateway: FakeGateway) -> None:
    finds(gateway, CLOSED)
    found = (await check(checking, "", BODY)).json()
    assert (found["success"], found["errors"]) == (False, ["Nothing listens there. Start it."])
    assert found["details"] == {
        "code": "port_closed",
        "fix": "Start it.",
        "proposes": {"endpoint": "http://127.0.0.1:9001/v1"},
    }


async def test_the_gateway_is_asked_with_a_token_that_opens_no_model(
    checking: Server, gateway: FakeGateway
) -> None:
    await check(checking, "", BODY)
    claims = gateway.claims
    assert (claims["use"], claims["sub"]) == ("instance", checking.filled.instance_id)
    assert (claims["scopes"], claims["providers"]) == ([], [])
    assert claims["exp"] - claims["iat"] == 300
    first = gateway.heard[-1][1]["authorization"]
    checking.clock.advance(minutes=3)
    await check(checking, "", BODY)
    assert gateway.heard[-1][1]["authorization"] == first
    checking.clock.advance(minutes=2)
    await check(checking, "", BODY)
    assert gateway.heard[-1][1]["authorization"] != first


async def test_a_stored_model_is_tried_with_its_stored_key(
    checking: Server, gateway: FakeGateway
) -> None:
    number = (await checking.ask("POST", PATH, json=BODY)).json()["id"]
    answer = await check(checking, f"/{number}", {"identifier": "other"})
    assert answer.status_code == 200, answer.text
    assert asked(gateway) == {
        "endpoint": "http://127.0.0.1:9000/v1",
        "identifier": "other",
        "api_key": "sk-canary",
    }
    assert "canary" not in answer.text


async def test_the_stored_key_goes_to_no_other_server(
    checking: Server, gateway: FakeGateway
) -> None:
    number = (await checking.ask("POST", PATH, json=BODY)).json()["id"]
    heard = len(gateway.heard)
    answer = await check(checking, f"/{number}", {"endpoint": "http://127.0.0.1:9001/v1"})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, ["api_key"])
    assert len(gateway.heard) == heard
    fresh = {"endpoint": "http://127.0.0.1:9001/v1", "api_key": None}
    assert (await check(checking, f"/{number}", fresh)).status_code == 200
    assert asked(gateway)["api_key"] is None


async def test_every_endpoint_is_tried(checking: Server) -> None:
    urls = ["http://127.0.0.1:9000/v1", "http://127.0.0.2:9000/v1"]
    body = {**BODY, "endpoints": urls}
    del body["endpoint"]
    found = (await check(checking, "", body)).json()
    assert [each["name"] for each in found["probes"]] == [f"address {url}" for url in urls]


async def test_a_gateway_that_is_away_is_a_finding(checking: Server) -> None:
    await checking.ask("PUT", "/api/v4/ai/settings", json={"ai_gateway_url": None})
    answer = await check(checking, "", BODY)
    found = answer.json()
    assert (answer.status_code, found["success"]) == (200, False)
    assert [each["name"] for each in found["probes"]] == ["gateway"]
    assert found["details"]["code"] == "gateway_unreachable"
    assert "http://127.0.0.1:5052 cannot be reached" in found["message"]


@pytest.mark.parametrize(
    ("status", "body", "code"),
    [
        (503, b'{"detail": "not yet", "code": "identity_unavailable"}', "identity_unavailable"),
        (405, b'{"detail": "no", "code": "method_not_allowed"}', "not_a_gateway"),
        (404, b"<html>", "not_a_gateway"),
        (200, b"<html>", "not_a_gateway"),
        (200, b'{"findings": []}', "no_findings"),
    ],
)
async def test_a_gateway_that_does_not_try_it_is_a_finding(
    checking: Server, gateway: FakeGateway, status: int, body: bytes, code: str
) -> None:
    gateway.status, gateway.parts = status, [body]
    found = (await check(checking, "", BODY)).json()
    assert (found["success"], found["details"]["code"]) == (False, code)
    assert found["details"]["fix"]


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"endpoint": None}, "endpoint"),
        ({"identifier": None}, "identifier"),
        ({"identifier": "bedrock/x"}, "identifier"),
        ({"api_key": "a b"}, "api_key"),
        ({"family": "nobody"}, "family"),
        ({"colour": "red"}, "colour"),
    ],
)
async def test_what_cannot_be_tried_is_named(
    server: Server, change: dict[str, object], field: str
) -> None:
    answer = await check(server, "", {**BODY, **change})
    assert (answer.status_code, list(answer.json()["errors"])) == (400, [field])


async def test_models_are_tried_by_admins(server: Server) -> None:
    _, pat = await server.new_user("ada")
    for path in ("", "/1"):
        answer = await check(server, path, BODY, pat=pat)
        assert (answer.status_code, answer.json()["code"]) == (403, "admin_needed")


async def test_a_model_that_is_not_there_cannot_be_tried(server: Server) -> None:
    assert (await check(server, "/99")).status_code == 404
