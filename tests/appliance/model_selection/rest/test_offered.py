from collections.abc import Iterator

import pytest

from appliance.model_selection.rules.definitions import NOT_SERVED
from gateway.contract.definitions import MAX_DOCUMENT_BYTES
from tests.appliance.conftest import FilledHome, Server
from tests.appliance.model_selection.rules.definitions.builders import (
    SEED,
    a_defined_feature,
    a_defined_model,
    a_document,
)
from tests.fakes.gateway import FakeGateway, running_apart

PATH = "/api/v4/ai/offered_models"


@pytest.fixture
def gateway(filled: FilledHome) -> Iterator[FakeGateway]:
    with running_apart(FakeGateway(signing=filled.keys.signing)) as running:
        yield running


@pytest.fixture
async def joined(server: Server, gateway: FakeGateway) -> Server:
    """An instance that calls the gateway."""
    wish = {"ai_gateway_url": gateway.url}
    assert (await server.ask("PUT", "/api/v4/ai/settings", json=wish)).status_code == 200
    return server


async def test_before_the_first_look_there_is_nothing(server: Server) -> None:
    answer = await server.ask("GET", PATH)
    assert (answer.status_code, answer.json()) == (200, {"models": [], "sync": None})


async def test_the_gateway_is_asked_now(joined: Server, gateway: FakeGateway) -> None:
    gateway.definitions = SEED
    answer = await joined.ask("POST", f"{PATH}/sync")
    report = answer.json()
    assert (answer.status_code, report["succeeded"]) == (200, True)
    assert report["changes"]["added"] == 3
    assert [each["identifier"] for each in report["sync"]["problems"]] == [
        "claude-3-7-sonnet-20250219"
    ] * 3
    shown = (await joined.ask("GET", PATH)).json()
    assert shown["sync"] == report["sync"]
    assert [each["ref"] for each in shown["models"]] == [
        "claude_3_5_sonnet_20240620",
        "claude_sonnet_3_7_20250219",
        "claude_sonnet_3_7_20250219_vertex",
    ]


async def test_a_model_is_shown_with_why_it_cannot_be_used(
    joined: Server, gateway: FakeGateway
) -> None:
    model = a_defined_model("big", served=False, cost_indicator="$", family="mistral")
    feature = a_defined_feature("duo_chat", "big", beta_models=["big"])
    gateway.definitions = a_document([model], [feature])
    await joined.ask("POST", f"{PATH}/sync")
    (shown,) = (await joined.ask("GET", PATH)).json()["models"]
    assert shown == {
        "id": 1,
        "ref": "big",
        "name": "Big",
        "provider": "duo",
        "family": "mistral",
        "release_state": "GA",
        "description": None,
        "cost_indicator": "$",
        "context_tokens": 128_000,
        "served": False,
        "retired_at": None,
        "why_unusable": NOT_SERVED,
        "features": [],
        "beta_for": ["duo_chat"],
        "default_for": ["duo_chat"],
    }


async def test_a_gateway_that_fails_is_an_answer(joined: Server, gateway: FakeGateway) -> None:
    gateway.definitions = None
    report = (await joined.ask("POST", f"{PATH}/sync")).json()
    assert report["succeeded"] is False
    assert report["sync"]["failure"].startswith("The gateway answered 500")
    assert (report["sync"]["succeeded_at"], report["sync"]["source"]) == (None, gateway.url)


async def test_a_document_that_is_too_long_is_refused(joined: Server, gateway: FakeGateway) -> None:
    gateway.definitions = b" " * (MAX_DOCUMENT_BYTES + 1)
    report = (await joined.ask("POST", f"{PATH}/sync")).json()
    assert "the answer is too long" in report["sync"]["failure"]


async def test_an_offered_ref_cannot_be_registered(joined: Server, gateway: FakeGateway) -> None:
    gateway.definitions = a_document([a_defined_model("big_model")], [])
    await joined.ask("POST", f"{PATH}/sync")
    body = {"ref": "Big-Model", "name": "Big", "identifier": "big"}
    body |= {"endpoint": "http://127.0.0.1:9000/v1"}
    answer = await joined.ask("POST", "/api/v4/ai/self_hosted_models", json=body)
    assert (answer.status_code, answer.json()["code"]) == (409, "already_taken")


async def test_offered_models_are_for_admins(server: Server) -> None:
    _, pat = await server.new_user("ada")
    for method, path in (("GET", PATH), ("POST", f"{PATH}/sync")):
        assert (await server.ask(method, path, pat=pat)).status_code == 403
