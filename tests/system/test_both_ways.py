"""The two ways of asking: through the instance, and straight to the gateway; both checked alike."""

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
from openai import AuthenticationError, DefaultHttpxClient, OpenAI

from tests.conftest import wait_until
from tests.system.driver import Appliance

REFUSED_WITHIN_S = 10


@dataclass(frozen=True, kw_only=True)
class Member:
    """A user with a seat, as the admin and as they themselves act."""

    appliance: Appliance
    name: str
    id: int
    pat_id: int
    pat: str

    @property
    def admin(self) -> httpx.Client:
        token = {"PRIVATE-TOKEN": self.appliance.personal_token()}
        url = f"{self.appliance.told['instance_url']}/api/v4"
        return httpx.Client(base_url=url, headers=token, trust_env=False, timeout=30)

    def mint(self) -> dict[str, Any]:
        answer = httpx.post(
            f"{self.appliance.told['instance_url']}/api/v4/ai/access_tokens",
            headers={"PRIVATE-TOKEN": self.pat},
            trust_env=False,
        )
        assert answer.status_code == 201, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def forwarded(self, token: str, **changes: Any) -> httpx.Response:
        """A question through the instance."""
        return httpx.post(
            f"{self.appliance.told['instance_url']}/api/v4/ai/requests",
            headers={"Authorization": f"Bearer {token}"},
            json=self.body(**changes),
            trust_env=False,
            timeout=60,
        )

    def body(self, **changes: Any) -> dict[str, Any]:
        asked = [{"role": "user", "content": "Say yes."}]
        return {
            "model": self.appliance.told["model"],
            "messages": asked,
            "max_tokens": 4,
            **changes,
        }

    def library(self) -> OpenAI:
        """The openai library with a personal access token for its fixed key."""
        http = DefaultHttpxClient(trust_env=False)
        url = f"{self.appliance.told['gateway_url']}/v1"
        return OpenAI(base_url=url, api_key=self.pat, http_client=http, max_retries=0)


@pytest.fixture
def member(appliance: Appliance, request: pytest.FixtureRequest) -> Iterator[Member]:
    name = f"member-{abs(hash(request.node.nodeid)) % 10**8}"
    made = appliance.casemate("users", "create", name, "--email", f"{name}@example.test")
    assert made.returncode == 0, made.stdout + made.stderr
    given = appliance.casemate("seats", "give", "duo_enterprise", name)
    assert given.returncode == 0, given.stdout + given.stderr
    token = {"PRIVATE-TOKEN": appliance.personal_token()}
    url = f"{appliance.told['instance_url']}/api/v4"
    with httpx.Client(base_url=url, headers=token, trust_env=False) as admin:
        user = admin.get("/users", params={"username": name}).json()[0]
        wish = {"name": "test", "scopes": ["ai_features"]}
        pat = admin.post(f"/users/{user['id']}/personal_access_tokens", json=wish).json()
        yield Member(
            appliance=appliance, name=name, id=user["id"], pat_id=pat["id"], pat=pat["token"]
        )
        admin.delete(f"/users/{user['id']}")


def test_a_token_opens_the_gateway_and_the_instance_s_way_to_it(member: Member) -> None:
    minted = member.mint()
    assert member.appliance.question(minted["token"]).status_code == 200
    whole = member.forwarded(minted["token"])
    assert whole.status_code == 200, whole.text
    assert whole.json()["choices"][0]["message"]["content"]
    streamed = member.forwarded(minted["token"], stream=True)
    assert streamed.headers["content-type"].startswith("text/event-stream")
    assert streamed.text.rstrip().endswith("data: [DONE]")


def test_a_refusal_of_the_gateway_comes_back_through_the_instance(member: Member) -> None:
    token = member.mint()["token"]
    unknown = member.forwarded(token, model="nobody-s")
    assert (unknown.status_code, unknown.json()["error"]["code"]) == (404, "model_not_found")
    assert member.forwarded("no.such.token").status_code == 401


def test_an_editor_gets_a_token_for_an_hour(member: Member) -> None:
    url = f"{member.appliance.told['instance_url']}/api/v4/code_suggestions/direct_access"
    answer = httpx.post(url, headers={"Authorization": f"Bearer {member.pat}"}, trust_env=False)
    assert answer.status_code == 201, answer.text
    found = answer.json()
    assert found["base_url"] == member.appliance.told["gateway_url"]
    listed = httpx.get(
        f"{found['base_url']}/v1/models",
        headers={"Authorization": f"Bearer {found['token']}", **found["headers"]},
        trust_env=False,
    )
    assert listed.status_code == 200, listed.text


def test_a_personal_access_token_is_a_fixed_key_for_any_client(member: Member) -> None:
    with member.library() as client:
        _use_and_lose_it(member, client)


def _use_and_lose_it(member: Member, client: OpenAI) -> None:
    asked: Any = [{"role": "user", "content": "Say yes."}]
    model = member.appliance.told["model"]
    answer = client.chat.completions.create(model=model, messages=asked, max_tokens=4)
    assert answer.choices[0].message.content
    assert [each.id for each in client.models.list()] == [model]
    with member.admin as admin:
        assert admin.delete(f"/personal_access_tokens/{member.pat_id}").status_code == 204

    def is_refused() -> bool:
        try:
            client.models.list()
        except AuthenticationError:
            return True
        return False

    wait_until(is_refused, REFUSED_WITHIN_S)


@pytest.mark.parametrize("how", ["credential", "blocked", "seat", "model"])
def test_a_token_in_hand_is_refused_once_it_is_revoked(member: Member, how: str) -> None:
    token = member.mint()["token"]
    assert member.appliance.question(token).status_code == 200
    with member.admin as admin:
        model = admin.get("/ai/self_hosted_models").json()[0]
        path = f"/ai/self_hosted_models/{model['id']}"
        match how:
            case "credential":
                assert admin.delete(f"/personal_access_tokens/{member.pat_id}").is_success
            case "blocked":
                assert admin.post(f"/users/{member.id}/block").is_success
            case "seat":
                taken = member.appliance.casemate("seats", "take", "duo_enterprise", member.name)
                assert taken.returncode == 0, taken.stdout + taken.stderr
            case _:
                assert admin.put(path, json={"enabled": False}).is_success
        try:
            # Without its one model nothing is left that could answer for the feature.
            expected = 403 if how == "model" else 401
            wait_until(
                lambda: member.appliance.question(token).status_code == expected, REFUSED_WITHIN_S
            )
            assert member.forwarded(token).status_code == expected
        finally:
            if how == "model":
                assert admin.put(path, json={"enabled": True}).is_success
    if how == "model":
        member.appliance.wait_until_answered(token, REFUSED_WITHIN_S)


def test_a_running_answer_of_a_blocked_user_ends(member: Member) -> None:
    token, began = member.mint()["token"], threading.Event()
    events: list[str] = []

    def listen() -> None:
        asked = [{"role": "user", "content": "Count to one thousand in words."}]
        body = member.body(stream=True, max_tokens=1800, messages=asked, ignore_eos=True)
        with httpx.stream(
            "POST",
            f"{member.appliance.told['gateway_url']}/v1/chat/completions",
            headers={"Authorization": f"Bearer {token}"},
            json=body,
            trust_env=False,
            timeout=60,
        ) as answer:
            for line in answer.iter_lines():
                if line.startswith("data: "):
                    events.append(line.removeprefix("data: "))
                    began.set()

    listener = threading.Thread(target=listen)
    listener.start()
    assert began.wait(30)
    with member.admin as admin:
        assert admin.post(f"/users/{member.id}/block").is_success
    listener.join(REFUSED_WITHIN_S)
    assert not listener.is_alive()
    assert json.loads(events[-1])["error"]["code"] == "token_superseded"
