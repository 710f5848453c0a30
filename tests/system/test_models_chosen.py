"""Who chooses the model, on the appliance that `up` made: real vLLM, the admin's own commands."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.conftest import wait_until
from tests.system.driver import Appliance

USED_WITHIN_S = 10
SECOND = "second-model"


@dataclass(frozen=True, kw_only=True)
class Team:
    """A group, and a token of one of its members."""

    appliance: Appliance
    group_id: int
    token: str

    def ask(self, **body: Any) -> httpx.Response:
        question = {"messages": [{"role": "user", "content": "Say yes."}], "max_tokens": 4}
        return httpx.post(
            f"{self.appliance.told['gateway_url']}/v1/chat/completions",
            headers={"Authorization": f"Bearer {self.token}"},
            json={**question, **body},
            trust_env=False,
            timeout=60,
        )

    def listed(self) -> list[str]:
        answer = httpx.get(
            f"{self.appliance.told['gateway_url']}/v1/models",
            headers={"Authorization": f"Bearer {self.token}"},
            trust_env=False,
        )
        return [each["id"] for each in answer.json()["data"] if "duo_chat" in each["features"]]


@pytest.fixture
def team(appliance: Appliance) -> Iterator[Team]:
    """The starter model under a second ref, and a group of the admin's."""
    url = f"{appliance.told['instance_url']}/api/v4"
    token = {"PRIVATE-TOKEN": appliance.personal_token()}
    with httpx.Client(base_url=url, headers=token, trust_env=False, timeout=30) as admin:
        (starter,) = admin.get("/ai/self_hosted_models").json()
        key = (appliance.home / "model_server" / "api_key").read_text().strip()
        wish = {field: starter[field] for field in ("family", "endpoint", "identifier")}
        made = admin.post(
            "/ai/self_hosted_models", json={**wish, "ref": SECOND, "name": "2", "api_key": key}
        )
        assert made.is_success, made.text
        group = admin.post("/groups", json={"name": "Choosers", "path": "choosers"}).json()
        minted = admin.post("/ai/access_tokens", json={"namespace_id": group["id"]}).json()
        yield Team(appliance=appliance, group_id=group["id"], token=minted["token"])
        removed = admin.delete(
            f"/ai/self_hosted_models/{made.json()['id']}", params={"reroute": True}
        )
        assert removed.is_success, removed.text
        assert admin.delete(f"/groups/{group['id']}").is_success


def _do(appliance: Appliance, *words: str) -> None:
    done = appliance.casemate(*words)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_choice_is_used_at_once_and_refusals_say_who_decided(team: Team) -> None:
    appliance, starter = team.appliance, team.appliance.told["model"]
    assert team.ask().status_code == 200
    assert team.ask(model="default").status_code == 200
    wait_until(lambda: set(team.listed()) == {starter, SECOND}, USED_WITHIN_S)
    group = ("--group", "choosers")
    _do(appliance, "features", "assign", "duo_chat", "--model", SECOND, "--locked", *group)
    wait_until(lambda: team.listed() == [SECOND], USED_WITHIN_S)
    assert team.ask().status_code == 200
    refused = team.ask(model=starter)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "model_not_selectable")
    decision = refused.json()["error"]["decision_id"]
    wait_until(
        lambda: "selection" in appliance.casemate("explain", "--decision", decision).stdout,
        USED_WITHIN_S,
    )
    shown = json.loads(appliance.casemate("features", "list", "--json", *group).stdout)
    chat = next(each for each in shown if each["feature"] == "duo_chat")
    assert (chat["effective_model"], chat["level"]["kind"]) == (SECOND, "group")
    _do(appliance, "features", "reset", "duo_chat", *group)
    wait_until(lambda: team.ask(model=starter).status_code == 200, USED_WITHIN_S)


def test_a_disabled_feature_is_refused_by_name_and_comes_back(team: Team) -> None:
    appliance, starter = team.appliance, team.appliance.told["model"]
    _do(appliance, "features", "disable", "duo_chat")
    try:
        wait_until(lambda: team.ask().status_code == 403, USED_WITHIN_S)
        assert team.ask(model=starter).json()["error"]["code"] == "feature_disabled"
    finally:
        _do(appliance, "features", "assign", "duo_chat", "--model", starter)
    wait_until(lambda: team.ask().status_code == 200, USED_WITHIN_S)


def test_without_the_flag_everybody_uses_the_instance_s_model(team: Team) -> None:
    appliance, starter = team.appliance, team.appliance.told["model"]
    url, token = appliance.told["instance_url"], {"PRIVATE-TOKEN": appliance.personal_token()}
    flag = f"{url}/api/v4/features/ai_model_switching"
    group = ("--group", "choosers")
    _do(appliance, "features", "assign", "duo_chat", "--model", SECOND, *group)
    off = httpx.post(flag, json={"value": False}, headers=token, trust_env=False)
    assert off.is_success, off.text
    try:
        wait_until(lambda: team.ask(model=SECOND).status_code in {401, 403}, USED_WITHIN_S)
        refused = appliance.casemate("features", "reset", "duo_chat", *group)
        assert refused.returncode != 0
        assert "ai_model_switching" in refused.stdout + refused.stderr
        shown = json.loads(appliance.casemate("features", "list", "--json", *group).stdout)
        chat = next(each for each in shown if each["feature"] == "duo_chat")
        assert chat["effective_model"] == starter
    finally:
        assert httpx.delete(flag, headers=token, trust_env=False).is_success
