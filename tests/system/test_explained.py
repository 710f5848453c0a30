"""`casemate explain` names what refuses somebody, and the gateway refuses for just that."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import a_free_port, wait_until
from tests.system.driver import Appliance

TOLD_WITHIN_S = 60


@dataclass(frozen=True, kw_only=True)
class World:
    """An appliance with ada, who holds a seat and may do everything."""

    appliance: Appliance
    admin: httpx.Client
    folder: Path
    user_id: int
    token: str

    def casemate(self, *words: str) -> str:
        done = self.appliance.casemate(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> Any:
        answer = self.admin.request(method, path, json=body)
        assert answer.is_success, answer.text
        return answer.json() if answer.content else None

    def explain(self, *words: str) -> tuple[dict[str, Any], int]:
        done = self.appliance.casemate("explain", *words, "--json")
        assert done.stdout, done.stderr
        return json.loads(done.stdout), done.returncode

    def deciding(self, *words: str, model: str | None = None) -> tuple[str, str]:
        """The check that fails for ada, and the code."""
        ref = model or self.appliance.told["model"]
        found, exit_code = self.explain("--user", "ada", "--model", ref, *words)
        failed = [check for check in found["checks"] if check["state"] == "failed"]
        assert (found["verdict"], exit_code, len(failed)) == ("refused", 1, 1), found
        assert failed[0]["sentence"]
        assert failed[0]["change"]
        return failed[0]["name"], found["code"]

    def mint(self, **body: Any) -> httpx.Response:
        return httpx.post(
            f"{self.appliance.told['instance_url']}/api/v4/ai/access_tokens",
            headers={"PRIVATE-TOKEN": self.token},
            json=body or None,
            trust_env=False,
        )

    def refusal(self, model: str | None = None) -> dict[str, Any]:
        """How the gateway refuses ada, with a token minted now."""
        minted = self.mint()
        assert minted.status_code == 201, minted.text
        changes = {} if model is None else {"model": model}
        answer = self.appliance.question(minted.json()["token"], **changes)
        assert answer.status_code >= 400, answer.text
        error: dict[str, Any] = answer.json()["error"]
        return error

    def issue(self, add_ons: Sequence[str]) -> Path:
        file = self.folder / f"licence-{len(list(self.folder.iterdir()))}.json"
        instance_id = json.loads(self.casemate("licence", "list", "--json"))["instance_id"]
        bought = [word for each in add_ons for word in ("--add-on", each)]
        key = self.appliance.home / "credentials" / "demo_authority.pem"
        words = ("--key", str(key), "--instance-id", instance_id, "--licensee", "Tests")
        self.casemate("licence", "issue", *words, *bought, "--out", str(file))
        return file

    @contextmanager
    def licensed(self, *add_ons: str) -> Iterator[None]:
        """The instance with a licence for just that in the place of what it has."""
        before = self.ask("GET", "/licenses")
        for each in before:
            self.ask("DELETE", f"/license/{each['id']}")
        file = self.issue(add_ons) if add_ons else None
        added = json.loads(self.casemate("licence", "add", str(file), "--json")) if file else None
        try:
            yield
        finally:
            if added is not None:
                self.ask("DELETE", f"/license/{added['id']}")
            demo = self.appliance.home / "credentials" / "demo_licence.json"
            self.casemate("licence", "add", str(demo))

    @contextmanager
    def flag_off(self, name: str) -> Iterator[None]:
        self.ask("POST", f"/features/{name}", {"value": "false"})
        try:
            yield
        finally:
            self.ask("DELETE", f"/features/{name}")

    @contextmanager
    def model(self, ref: str, endpoint: str, *more: str) -> Iterator[None]:
        self.casemate("models", "add", ref, "--endpoint", endpoint, *more)
        try:
            yield
        finally:
            self.casemate("models", "remove", ref)


@pytest.fixture(scope="module")
def world(appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    admin = httpx.Client(
        base_url=f"{appliance.told['instance_url']}/api/v4",
        headers={"PRIVATE-TOKEN": appliance.personal_token()},
        trust_env=False,
        timeout=30,
    )
    with admin:
        body = {"username": "ada", "name": "Ada", "email": "ada@example.test"}
        user_id = admin.post("/users", json=body).json()["id"]
        wish = {"name": "explained", "scopes": ["ai_features"]}
        pat = admin.post(f"/users/{user_id}/personal_access_tokens", json=wish).json()["token"]
        folder = tmp_path_factory.mktemp("licences")
        made = World(appliance=appliance, admin=admin, folder=folder, user_id=user_id, token=pat)
        made.casemate("seats", "give", "duo_enterprise", "ada")
        wait_until(lambda: made.explain("--user", "ada")[1] == 0, TOLD_WITHIN_S)
        yield made
        made.ask("DELETE", f"/users/{user_id}")


def test_who_has_everything_is_permitted_and_answered(world: World) -> None:
    ref = world.appliance.told["model"]
    found, exit_code = world.explain("--user", "ada", "--model", ref)
    assert (found["verdict"], exit_code) == ("permitted", 0), found
    assert {check["state"] for check in found["checks"]} == {"passed"}
    minted = world.mint().json()["token"]
    assert world.appliance.question(minted).status_code == 200


def test_a_blocked_user(world: World) -> None:
    world.ask("PUT", f"/users/{world.user_id}", {"state": "blocked"})
    try:
        assert world.deciding() == ("user", "user_blocked")
        refused = world.mint()
        assert (refused.status_code, refused.json()["code"]) == (403, "user_blocked")
    finally:
        world.ask("PUT", f"/users/{world.user_id}", {"state": "active"})
    # What was held before the block does not come back by itself.
    assert world.deciding() == ("seat", "feature_not_granted")
    assert world.refusal()["code"] == "feature_not_granted"
    world.casemate("seats", "give", "duo_enterprise", "ada")


def test_the_switch_for_everything_is_off(world: World) -> None:
    with world.flag_off("ai_global_switch"):
        assert world.deciding() == ("global_switch", "feature_not_granted")
        assert world.refusal()["code"] == "feature_not_granted"


def test_a_feature_s_own_flag_is_off(world: World) -> None:
    with world.flag_off("ai_duo_chat_switch"):
        assert world.deciding() == ("feature_flag", "feature_not_granted")
        assert world.refusal()["code"] == "feature_not_granted"


def test_a_licence_is_missing(world: World) -> None:
    with world.licensed():
        assert world.deciding() == ("licence", "feature_not_granted")
        assert world.refusal()["code"] == "feature_not_granted"


def test_a_seat_is_missing(world: World) -> None:
    world.casemate("seats", "take", "duo_enterprise", "ada")
    try:
        assert world.deciding() == ("seat", "feature_not_granted")
        assert world.refusal()["code"] == "feature_not_granted"
    finally:
        world.casemate("seats", "give", "duo_enterprise", "ada")


def test_a_seat_is_over_the_limit(world: World) -> None:
    with world.licensed("duo_enterprise=1", "duo_self_hosted=1:duo_enterprise"):
        assert world.deciding() == ("seat", "feature_not_granted")
        assert "over the limit" in world.appliance.casemate("explain", "--user", "ada").stdout
        assert world.refusal()["code"] == "feature_not_granted"


def test_a_group_is_not_a_member_s(world: World) -> None:
    group = world.ask("POST", "/groups", {"name": "Closed", "path": "closed"})
    try:
        assert world.deciding("--namespace", "closed") == ("namespace", "namespace_not_granted")
        assert world.mint(namespace_id=group["id"]).status_code == 404
        token = world.mint().json()["token"]
        answer = httpx.post(
            f"{world.appliance.told['gateway_url']}/v1/chat/completions",
            headers={"Authorization": f"Bearer {token}", "X-Gitlab-Namespace-Id": str(group["id"])},
            json={"model": world.appliance.told["model"], "messages": []},
            trust_env=False,
        )
        assert answer.json()["error"]["code"] == "namespace_not_granted"
    finally:
        world.ask("DELETE", f"/groups/{group['id']}")


def test_a_model_is_unknown(world: World) -> None:
    assert world.deciding(model="nowhere") == ("model", "model_not_found")
    assert world.refusal("nowhere")["code"] == "model_not_found"


def test_a_model_is_not_ready(world: World) -> None:
    with world.model("away", f"http://127.0.0.1:{a_free_port()}/v1"):
        wait_until(
            lambda: world.explain("--user", "ada", "--model", "away")[0]["verdict"] == "refused",
            TOLD_WITHIN_S,
        )
        assert world.deciding(model="away") == ("model_state", "model_unavailable")
        assert world.refusal("away")["code"] == "model_unavailable"


def test_a_provider_is_not_owned(world: World) -> None:
    endpoint = next(
        each["endpoint"] for each in json.loads(world.casemate("models", "list", "--json"))
    )
    with world.model("theirs", endpoint, "--provider", "amazonq"):
        assert world.deciding(model="theirs") == ("entitlement", "provider_not_entitled")
        wait_until(lambda: world.refusal("theirs")["code"] != "model_not_found", TOLD_WITHIN_S)
        assert world.refusal("theirs")["code"] == "provider_not_entitled"


def test_as_much_self_hosting_as_seats_was_not_bought(world: World) -> None:
    with world.licensed("duo_enterprise=10", "duo_self_hosted=9:duo_enterprise"):
        assert world.deciding() == ("entitlement", "provider_not_entitled")
        assert world.refusal()["code"] == "provider_not_entitled"


def test_a_refusal_is_recalled_by_its_id_and_as_things_are_now(world: World) -> None:
    with world.flag_off("ai_duo_chat_switch"):
        decision = world.refusal()["decision_id"]
        wait_until(
            lambda: "verdict" in world.explain("--decision", decision)[0].get("explanation", {}),
            TOLD_WITHIN_S,
        )
        found, exit_code = world.explain("--decision", decision)
        assert (found["code"], exit_code) == ("feature_not_granted", 1)
        assert found["would_still_be_refused"]
    found, _ = world.explain("--decision", decision)
    assert not found["would_still_be_refused"]
