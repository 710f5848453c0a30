from dataclasses import dataclass
from typing import Any

import pytest

from tests.appliance.conftest import Server
from tests.appliance.model_selection.rest.builders import LOCAL, register

GROUPS = "/api/v4/groups"
CHOICES = "ai_feature_settings"


@dataclass
class Tree:
    """The groups lab and lab/ai; three models may be chosen."""

    server: Server
    top: int
    child: int

    async def ask(self, method: str, group: Any, path: str = "/duo_chat", **rest: Any) -> Any:
        return await self.server.ask(method, f"{GROUPS}/{group}/{CHOICES}{path}", **rest)

    async def choose(self, group: Any, model: str, **rest: Any) -> dict[str, Any]:
        answer = await self.ask("PUT", group, json={"model": model, **rest})
        assert answer.status_code == 200, answer.text
        shown: dict[str, Any] = answer.json()
        return shown


@pytest.fixture
async def tree(server: Server) -> Tree:
    for ref in ("big", "small"):
        await register(server, ref)
    top = await server.ask("POST", GROUPS, json={"name": "Lab", "path": "lab"})
    fields = {"name": "AI", "path": "ai", "parent_id": top.json()["id"]}
    child = await server.ask("POST", GROUPS, json=fields)
    return Tree(server, top.json()["id"], child.json()["id"])


async def test_a_group_shows_what_holds_and_who_decides(tree: Tree) -> None:
    await tree.choose(tree.top, "big", allowed_models=["big", "small"])
    shown = (await tree.ask("GET", tree.child)).json()
    models = shown.pop("selectable_models")
    assert shown == {
        "feature": "duo_chat",
        "title": "General Chat",
        "main_feature": "GitLab Duo Chat",
        "release_state": "GA",
        "provider": "self_hosted",
        "model": None,
        "allowed_models": None,
        "locked": False,
        "locked_by": None,
        "changed": False,
        "effective_model": "big",
        "level": {"kind": "group", "id": tree.top, "full_path": "lab"},
        "may_change_by": "owners of lab/ai",
        "problem": None,
    }
    assert [each["ref"] for each in models] == ["big", "small"]
    assert {each["entitled"] for each in models} == {False}
    listed = (await tree.ask("GET", tree.child, "")).json()
    assert {**shown, "selectable_models": models} in listed
    own = (await tree.ask("GET", "lab")).json()
    assert (own["model"], own["allowed_models"]) == ("big", ["big", "small"])


async def test_a_choice_holds_and_a_reset_takes_it_back(tree: Tree) -> None:
    shown = await tree.choose("lab%2Fai", "small", locked=True)
    assert (shown["effective_model"], shown["model"], shown["locked"]) == ("small", "small", True)
    assert (await tree.ask("DELETE", tree.child)).status_code == 204
    shown = (await tree.ask("GET", tree.child)).json()
    assert (shown["effective_model"], shown["changed"]) == (LOCAL, False)
    assert shown["level"] == {"kind": "instance", "id": None, "full_path": None}


@pytest.mark.parametrize(
    ("path", "wish", "status", "code"),
    [
        ("/duo_chat", {"model": "bigg"}, 400, "invalid_fields"),
        ("/duo_chat", {}, 400, "invalid_fields"),
        ("/duo_chat", {"model": "big", "locked": 1.5}, 400, "invalid_fields"),
        ("/chat", {"model": "big"}, 404, "feature_unknown"),
        ("/code_completions", {"model": "big"}, 409, "feature_disabled"),
        ("/summarize_review", {"model": "big"}, 409, "feature_locked"),
    ],
)
async def test_what_cannot_be_chosen_has_its_code(
    tree: Tree, path: str, wish: dict[str, Any], status: int, code: str
) -> None:
    settings = "/api/v4/ai/feature_settings"
    await tree.server.ask("PUT", f"{settings}/code_completions", json={"provider": "disabled"})
    locked = {"default_model": LOCAL, "locked": True}
    await tree.server.ask("PUT", f"{settings}/summarize_review", json=locked)
    answer = await tree.ask("PUT", tree.top, path, json=wish)
    assert (answer.status_code, answer.json()["code"]) == (status, code)
    shown = (await tree.ask("GET", tree.top, "/summarize_review")).json()
    assert (shown["locked"], shown["locked_by"]["kind"]) == (False, "instance")


async def test_with_the_flag_off_choices_are_read_only(tree: Tree) -> None:
    await tree.choose(tree.top, "big")
    off = {"value": "false"}
    answer = await tree.server.ask("POST", "/api/v4/features/ai_model_switching", json=off)
    assert answer.is_success, answer.text
    shown = (await tree.ask("GET", tree.top)).json()
    assert (shown["effective_model"], shown["model"]) == (LOCAL, "big")
    assert shown["may_change_by"] == "instance admin"
    requests: list[tuple[str, dict[str, Any]]] = [
        ("PUT", {"json": {"model": "small"}}),
        ("DELETE", {}),
    ]
    for method, body in requests:
        refused = await tree.ask(method, tree.top, **body)
        assert (refused.status_code, refused.json()["code"]) == (403, "model_switching_off")


async def test_members_read_owners_choose_and_nobody_else_learns_anything(tree: Tree) -> None:
    pats = {}
    for name, level in (("owner", 50), ("guest", 10), ("outsider", None)):
        number, pats[name] = await tree.server.new_user(name)
        if level is not None:
            role = {"user_id": number, "access_level": level}
            await tree.server.ask("POST", f"{GROUPS}/{tree.child}/members", json=role)
    seen = {}
    for name, pat in pats.items():
        read = await tree.ask("GET", tree.child, pat=pat)
        wrote = await tree.ask("PUT", tree.child, pat=pat, json={"model": "big"})
        gone = await tree.ask("DELETE", tree.child, pat=pat)
        seen[name] = [read.status_code, wrote.status_code, gone.status_code]
        if name == "outsider":
            nowhere = await tree.ask("GET", 99999, pat=pat)
            assert nowhere.json() == read.json() == wrote.json() == gone.json()
    assert seen == {"owner": [200, 200, 204], "guest": [200, 403, 403], "outsider": [404] * 3}
