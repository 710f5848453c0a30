from typing import Any

import pytest

from tests.appliance.conftest import Server
from tests.appliance.model_selection.rest.builders import LOCAL, register

PATH = "/api/v4/ai/feature_settings"
CHAT = f"{PATH}/duo_chat"


async def _ask(server: Server, method: str, path: str, **rest: Any) -> dict[str, Any]:
    answer = await server.ask(method, path, **rest)
    assert answer.is_success, answer.text
    return answer.json() if answer.content else {}


async def test_a_feature_shows_what_is_used_and_what_could_be(server: Server) -> None:
    await register(server, "big", enabled=False)
    shown = await _ask(server, "GET", CHAT)
    [local] = shown.pop("selectable_models")
    assert shown == {
        "feature": "duo_chat",
        "title": "General Chat",
        "main_feature": "GitLab Duo Chat",
        "release_state": "GA",
        "provider": "self_hosted",
        "default_model": LOCAL,
        "allowed_models": None,
        "locked": False,
        "changed": True,
        "effective_model": LOCAL,
        "level": {"kind": "instance", "id": None, "full_path": None},
        "may_change_by": "instance admin",
        "unusable_models": [{"ref": "big", "name": "Big", "why": "It is disabled."}],
        "problem": None,
    }
    assert (local["ref"], local["entitled"]) == (LOCAL, False)
    assert "GitLab Duo Self-Hosted" in local["why"]
    listed = (await server.ask("GET", PATH)).json()
    assert {**shown, "selectable_models": [local]} in listed


async def test_a_change_holds_and_a_reset_takes_it_back(server: Server) -> None:
    await register(server, "big")
    wish = {"default_model": "big", "allowed_models": ["big", LOCAL], "locked": True}
    shown = await _ask(server, "PUT", CHAT, json=wish)
    assert (shown["effective_model"], shown["locked"]) == ("big", True)
    assert shown["allowed_models"] == sorted(["big", LOCAL])
    assert await _ask(server, "GET", CHAT) == shown
    await _ask(server, "DELETE", CHAT)
    shown = await _ask(server, "GET", CHAT)
    assert (shown["changed"], shown["effective_model"]) == (False, None)
    assert shown["provider"] == "unassigned"


@pytest.mark.parametrize(
    ("wish", "field", "sentence"),
    [
        ({}, "default_model", "is required"),
        (
            {"default_model": "smollm2-135m"},
            "default_model",
            "the nearest is smollm2-135m-instruct",
        ),
        ({"default_model": 3}, "default_model", "valid string"),
        ({"default_model": LOCAL, "locked": "yes"}, "locked", "True or False"),
        ({"default_model": LOCAL, "allowed_models": []}, "allowed_models", "names no model"),
        ({"provider": "openai"}, "provider", "Input should be"),
        ({"default": LOCAL}, "default", "Extra inputs"),
    ],
)
async def test_what_cannot_be_set_says_why(
    server: Server, wish: dict[str, Any], field: str, sentence: str
) -> None:
    answer = await server.ask("PUT", CHAT, json=wish)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_fields")
    assert sentence in answer.json()["errors"][field]


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_an_unknown_feature_names_the_nearest(server: Server, method: str) -> None:
    body: dict[str, Any] = {"json": {"default_model": LOCAL}} if method == "PUT" else {}
    answer = await server.ask(method, f"{PATH}/duo_chatt", **body)
    assert (answer.status_code, answer.json()["code"]) == (404, "feature_unknown")
    assert "the nearest is duo_chat" in answer.json()["message"]


async def test_only_an_admin_sees_and_sets_them(server: Server) -> None:
    _, pat = await server.new_user("ada")
    for method, path in (("GET", PATH), ("GET", CHAT), ("PUT", CHAT), ("DELETE", CHAT)):
        body: dict[str, Any] = {"json": {"provider": "disabled"}} if method == "PUT" else {}
        assert (await server.ask(method, path, pat=pat, **body)).status_code == 403
        assert (await server.ask(method, path, pat="", **body)).status_code == 401
