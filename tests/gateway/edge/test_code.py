import json
import shutil
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import jwt
import pytest

from gateway.contract.claims import LONGEST_LIFE_S
from gateway.contract.ulids import is_ulid
from gateway.settings import Settings
from tests.builders import a_token
from tests.fakes.gitlab import (
    FakeGitLab,
    a_user_token_key_file,
    an_issuers_file,
    with_a_key_file,
)
from tests.gateway.conftest import RunningGateway, a_gateway

PATH = "/v1/code/user_access_token"
GITLAB = FakeGitLab()


@pytest.fixture
def behind_gitlab(settings: Settings, tmp_path: Path) -> Settings:
    files = {
        "issuers_file": an_issuers_file(tmp_path, with_a_key_file(GITLAB, tmp_path)),
        "user_token_key_file": a_user_token_key_file(tmp_path),
    }
    return settings.model_copy(update=files)


@pytest.fixture
async def minting(behind_gitlab: Settings) -> AsyncIterator[RunningGateway]:
    async with a_gateway(behind_gitlab) as running:
        yield running


def another(settings: Settings) -> Settings:
    """A second gateway with the same files: two cannot share a state folder."""
    state = settings.home / "another"
    shutil.copytree(settings.state_folder, state, ignore=shutil.ignore_patterns("spool"))
    return settings.model_copy(update={"gateway_state": state})


async def ask(gateway: RunningGateway, headers: dict[str, str]) -> tuple[int, dict[str, Any]]:
    answer = await gateway.http.post(PATH, headers=headers)
    return answer.status_code, answer.json()


async def test_a_gitlabs_user_gets_a_token_that_gateways_take(
    minting: RunningGateway, behind_gitlab: Settings
) -> None:
    status, made = await ask(minting, GITLAB.headers())
    assert status == 200
    said = jwt.decode(made["token"], options={"verify_signature": False})
    assert made["expires_at"] == said["exp"] == said["iat"] + LONGEST_LIFE_S
    assert (said["sub"], said["source_iss"]) == ("global-user-1", GITLAB.url)
    assert (said["scopes"], said["providers"]) == (["complete_code"], ["duo"])
    assert said["gitlab_instance_id"] == GITLAB.instance_id
    headers = GITLAB.headers(made["token"])
    assert (await minting.http.get("/v1/models", headers=headers)).status_code == 200
    async with a_gateway(another(behind_gitlab)) as second:
        assert (await second.http.get("/v1/models", headers=headers)).status_code == 200


async def test_the_answer_is_kept_by_nobody(minting: RunningGateway) -> None:
    answer = await minting.http.post(PATH, headers=GITLAB.headers())
    assert answer.headers["cache-control"] == "no-store"


async def test_our_own_tokens_get_none(minting: RunningGateway) -> None:
    for token in (a_token(), a_token(use="instance")):
        status, body = await ask(minting, {"Authorization": f"Bearer {token}"})
        assert (status, body["code"]) == (403, "issuer_not_permitted")
        assert isinstance(body["detail"], str)
        assert is_ulid(body["decision_id"])


async def test_a_user_token_gets_no_other(minting: RunningGateway) -> None:
    _, made = await ask(minting, GITLAB.headers())
    status, body = await ask(minting, GITLAB.headers(made["token"]))
    assert (status, body["code"]) == (403, "issuer_not_permitted")


async def test_the_user_must_be_named(minting: RunningGateway) -> None:
    for user in (None, "unknown", "", "u" * 300):
        status, body = await ask(minting, GITLAB.headers(user=user))
        assert (status, body["code"]) == (401, "invalid_token")


async def test_without_a_scope_to_hand_on_there_is_none(minting: RunningGateway) -> None:
    status, body = await ask(minting, GITLAB.headers(GITLAB.token(scopes=["duo_chat"])))
    assert (status, body["code"]) == (403, "feature_not_granted")


async def test_a_user_token_ends_with_the_belief_in_its_source(
    minting: RunningGateway, behind_gitlab: Settings, tmp_path: Path
) -> None:
    _, made = await ask(minting, GITLAB.headers())
    entry = with_a_key_file(GITLAB, tmp_path)
    an_issuers_file(tmp_path, {**entry, "issuer": "http://another.test"})
    async with a_gateway(another(behind_gitlab)) as later:
        answer = await later.http.get("/v1/models", headers=GITLAB.headers(made["token"]))
        assert answer.status_code == 401


async def test_it_is_off_unless_there_is_a_key(gateway: RunningGateway) -> None:
    for headers in ({}, {"Authorization": f"Bearer {a_token()}"}):
        status, body = await ask(gateway, headers)
        assert (status, body["code"]) == (404, "not_found")


async def test_other_paths_and_methods_are_refused_in_gitlabs_form(
    minting: RunningGateway,
) -> None:
    wrong = await minting.http.get(PATH, headers=GITLAB.headers())
    unknown = await minting.http.post("/v1/code/other", headers=GITLAB.headers())
    assert (wrong.status_code, wrong.json()["code"]) == (405, "method_not_allowed")
    assert (unknown.status_code, unknown.json()["code"]) == (404, "not_found")
    assert "detail" in json.loads(unknown.content)
