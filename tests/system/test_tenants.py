"""Where groups buy, what one of them bought opens nothing in another."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.system.driver import Appliance


@dataclass(frozen=True, kw_only=True)
class Tenants:
    """Two top-level groups with tess in both; the seat is bought in the first."""

    appliance: Appliance
    token: str
    first: int
    second: int

    def mint(self, namespace_id: int | None = None) -> dict[str, Any]:
        answer = httpx.post(
            f"{self.appliance.told['instance_url']}/api/v4/ai/access_tokens",
            headers={"PRIVATE-TOKEN": self.token},
            json={"namespace_id": namespace_id} if namespace_id is not None else None,
            trust_env=False,
        )
        assert answer.status_code == 201, answer.text
        minted: dict[str, Any] = answer.json()
        return minted

    def answer(self, token: str, **headers: str) -> tuple[int, str | None]:
        """Status, and for a refusal its code."""
        body = {
            "model": self.appliance.told["model"],
            "messages": [{"role": "user", "content": "Say yes."}],
            "max_tokens": 4,
        }
        answer = httpx.post(
            f"{self.appliance.told['gateway_url']}/v1/chat/completions",
            headers={"Authorization": f"Bearer {token}", **headers},
            json=body,
            timeout=60,
            trust_env=False,
        )
        return answer.status_code, answer.json().get("error", {}).get("code")


@pytest.fixture(scope="module")
def tenants(appliance: Appliance, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Tenants]:
    """The appliance's own licence is away meanwhile."""
    folder = tmp_path_factory.mktemp("tenants")
    made = _Setting(appliance=appliance, folder=folder)
    with httpx.Client(
        base_url=f"{appliance.told['instance_url']}/api/v4",
        headers={"PRIVATE-TOKEN": appliance.personal_token()},
        trust_env=False,
        timeout=30,
    ) as admin:
        for licence in admin.get("/licenses").json():
            admin.delete(f"/license/{licence['id']}")
        user = {"username": "tess", "name": "Tess", "email": "tess@example.test"}
        user_id = made.ok(admin.post("/users", json=user))["id"]
        groups = [
            made.ok(admin.post("/groups", json={"name": path, "path": path}))["id"]
            for path in ("tenant-a", "tenant-b")
        ]
        for group in groups:
            member = {"user_id": user_id, "access_level": 30}
            made.ok(admin.post(f"/groups/{group}/members", json=member))
        wish = {"name": "tenants", "scopes": ["ai_features"]}
        pat = made.ok(admin.post(f"/users/{user_id}/personal_access_tokens", json=wish))
        licence = made.license("tenant-a")
        made.casemate("seats", "give", "duo_pro", "tess", "--namespace", "tenant-a")
        first, second = groups
        yield Tenants(appliance=appliance, token=pat["token"], first=first, second=second)
        admin.delete(f"/license/{licence}")
        admin.delete(f"/users/{user_id}")
        admin.delete(f"/groups/{second}")
        made.casemate("licence", "add", str(appliance.home / "credentials" / "demo_licence.json"))


@dataclass(frozen=True, kw_only=True)
class _Setting:
    appliance: Appliance
    folder: Path

    def casemate(self, *words: str) -> str:
        done = self.appliance.casemate(*words)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def ok(self, answer: httpx.Response) -> dict[str, Any]:
        assert answer.is_success, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def license(self, group: str) -> int:
        """Lets a group own seats, and the right to models of one's own; the licence's number."""
        instance_id = json.loads(self.casemate("licence", "list", "--json"))["instance_id"]
        key = self.appliance.home / "credentials" / "demo_authority.pem"
        file = self.folder / "licence.json"
        bought = ("--add-on", "duo_pro=5", "--add-on", "duo_self_hosted=5:duo_pro")
        words = ("--key", str(key), "--instance-id", instance_id, "--licensee", "Tenant A")
        self.casemate("licence", "issue", *words, *bought, "--namespace", group, "--out", str(file))
        return int(json.loads(self.casemate("licence", "add", str(file), "--json"))["id"])


def test_who_has_a_seat_is_answered_in_the_group_that_bought_it(tenants: Tenants) -> None:
    minted = tenants.mint(tenants.first)
    assert minted["headers"]["X-Gitlab-Realm"] == "saas"
    assert tenants.answer(minted["token"]) == (200, None)
    own = {"X-Gitlab-Namespace-Id": str(tenants.first)}
    assert tenants.answer(minted["token"], **own) == (200, None)


def test_the_seat_opens_nothing_in_another_group(tenants: Tenants) -> None:
    minted = tenants.mint(tenants.second)
    assert tenants.answer(minted["token"]) == (403, "feature_not_granted")


def test_a_token_of_one_group_is_refused_with_another_in_the_headers(tenants: Tenants) -> None:
    token = tenants.mint(tenants.first)["token"]
    for name in ("X-Gitlab-Namespace-Id", "X-Gitlab-Root-Namespace-Id"):
        other = {name: str(tenants.second)}
        assert tenants.answer(token, **other) == (403, "namespace_not_granted")


def test_without_a_group_nothing_of_it_is_granted(tenants: Tenants) -> None:
    assert tenants.answer(tenants.mint()["token"]) == (403, "feature_not_granted")


def test_a_stranger_to_the_group_gets_no_seat(tenants: Tenants) -> None:
    given = tenants.appliance.casemate(
        *("seats", "give", "duo_pro", "nobody-such", "--namespace", "tenant-a")
    )
    assert given.returncode == 2
    made = tenants.appliance.casemate("users", "create", "outsider", "--email", "o@example.test")
    assert made.returncode == 0, made.stderr
    words = ("seats", "give", "duo_pro", "outsider", "--namespace", "tenant-a", "--json")
    refused = tenants.appliance.casemate(*words)
    assert refused.returncode == 1
    assert json.loads(refused.stdout)["error"]["code"] == "seat_needs_membership"
