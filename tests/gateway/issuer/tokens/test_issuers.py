import json
import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.app import create_app
from gateway.edge.metrics import Metrics
from gateway.errors import StateError
from gateway.settings import Settings
from tests.builders import ISSUER, a_jwk, a_token
from tests.certificate_builders import Organisation
from tests.fakes.gitlab import FakeGitLab, an_issuers_file, with_a_key_file
from tests.gateway.conftest import RunningGateway, a_gateway

MODELS = "/v1/models"


@pytest.fixture
async def gitlab() -> AsyncIterator[FakeGitLab]:
    fake = FakeGitLab()
    await fake.start()
    yield fake
    await fake.stop()


def believing(settings: Settings, *entries: dict[str, Any]) -> Settings:
    path = an_issuers_file(settings.home, *entries)
    return settings.model_copy(update={"issuers_file": path})


async def status(gateway: RunningGateway, headers: dict[str, str]) -> int:
    return (await gateway.http.get(MODELS, headers=headers)).status_code


async def test_a_gitlab_is_believed_by_configuration_alone(
    settings: Settings, gitlab: FakeGitLab
) -> None:
    async with a_gateway(believing(settings, gitlab.entry())) as gateway:
        answer = await gateway.http.get(MODELS, headers=gitlab.headers())
        # Models are the pinned instance's; a GitLab's tokens open none of them.
        assert (answer.status_code, answer.json()["data"]) == (200, [])
        body = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}
        call = await gateway.http.post("/v1/chat/completions", json=body, headers=gitlab.headers())
        assert (call.status_code, call.json()["error"]["code"]) == (404, "model_not_found")
        one = await gateway.http.get(f"{MODELS}/demo", headers=gitlab.headers())
        assert one.status_code == 404
        assert (await gateway.chat(a_token())).status_code == 200
    assert gitlab.fetches == 1


async def test_without_the_file_a_gitlab_is_a_stranger(
    gateway: RunningGateway, gitlab: FakeGitLab
) -> None:
    assert await status(gateway, gitlab.headers()) == 401
    assert gitlab.fetches == 0


@pytest.mark.parametrize("source", ["key_set_url", "key_set_file"])
async def test_keys_come_from_where_the_file_says(
    settings: Settings, gitlab: FakeGitLab, source: str
) -> None:
    entry = with_a_key_file(gitlab, settings.home)
    if source == "key_set_url":
        url = f"{gitlab.url}/oauth/discovery/keys"
        entry = gitlab.entry(discovery_url=None, key_set_url=url)
    async with a_gateway(believing(settings, entry)) as gateway:
        assert await status(gateway, gitlab.headers()) == 200


@pytest.mark.parametrize(
    ("changes", "due"),
    [
        ({"Global_User_Id": None}, 200),
        ({"Global_User_Id": "unknown"}, 200),
        ({"Duo_Seat_Count": "7"}, 200),
        ({"Instance_Id": None}, 401),
        ({"Instance_Id": "other"}, 401),
        ({"Realm": None}, 401),
        ({"Realm": "saas"}, 401),
        ({"Authentication_Type": None}, 200),
        ({"Authentication_Type": "basic"}, 401),
    ],
)
async def test_a_gitlabs_headers_must_equal_its_claims(
    settings: Settings, gitlab: FakeGitLab, changes: dict[str, str | None], due: int
) -> None:
    async with a_gateway(believing(settings, gitlab.entry())) as gateway:
        token = gitlab.token(duo_seat_count="5")
        assert await status(gateway, gitlab.headers(token, **changes)) == due
        empty = gitlab.token(gitlab_realm="", gitlab_instance_id="")
        assert await status(gateway, gitlab.headers(empty, Realm="saas")) == 200


async def test_another_seat_count_is_only_logged(settings: Settings, gitlab: FakeGitLab) -> None:
    async with a_gateway(believing(settings, gitlab.entry())) as gateway:
        with capture_logs() as logged:
            token = gitlab.token(duo_seat_count=5)
            assert await status(gateway, gitlab.headers(token, Duo_Seat_Count="7")) == 200
    assert "seat_count_differs" in [line["event"] for line in logged]


async def test_without_a_user_nothing_is_opened(settings: Settings, gitlab: FakeGitLab) -> None:
    async with a_gateway(believing(settings, gitlab.entry())) as gateway:
        body = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}
        headers = gitlab.headers(user=None)
        answer = await gateway.http.post("/v1/chat/completions", json=body, headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "feature_not_granted")


async def test_keys_that_lie_elsewhere_than_their_document_are_not_taken(
    settings: Settings, gitlab: FakeGitLab
) -> None:
    elsewhere = FakeGitLab()
    await elsewhere.start()
    gitlab.jwks_uri = f"{elsewhere.url}/oauth/discovery/keys"
    async with a_gateway(believing(settings, gitlab.entry())) as gateway:
        assert await status(gateway, gitlab.headers()) == 503
    await elsewhere.stop()
    assert elsewhere.fetches == 0


async def test_a_gitlab_that_is_away_is_503_for_its_tokens_alone(
    settings: Settings, gitlab: FakeGitLab
) -> None:
    gitlab.is_down = True
    async with a_gateway(believing(settings, gitlab.entry())) as gateway:
        assert await status(gateway, gitlab.headers()) == 503
        assert await status(gateway, {"Authorization": f"Bearer {a_token()}"}) == 200


async def test_what_a_gitlab_published_outlives_the_gateways_process(
    settings: Settings, gitlab: FakeGitLab
) -> None:
    believed = believing(settings, gitlab.entry())
    async with a_gateway(believed) as gateway:
        assert await status(gateway, gitlab.headers()) == 200
    gitlab.is_down = True
    async with a_gateway(believed) as gateway:
        assert await status(gateway, gitlab.headers()) == 200


async def test_a_key_is_good_for_its_own_issuer_only(
    settings: Settings, gitlab: FakeGitLab
) -> None:
    gitlab.jwks.append({**a_jwk("gitlab-key-2"), "kid": "signing-key-1"})
    async with a_gateway(believing(settings, gitlab.entry())) as gateway:
        ours_by_gitlab = gitlab.token(iss=ISSUER)
        assert await status(gateway, gitlab.headers(ours_by_gitlab)) == 401
        gitlabs_by_us = a_token(iss=gitlab.url)
        assert await status(gateway, {"Authorization": f"Bearer {gitlabs_by_us}"}) == 401


@pytest.mark.parametrize("issuer", [ISSUER, "gitlab-ai-gateway"])
async def test_an_issuer_that_is_somebodys_already_stops_the_start(
    settings: Settings, gitlab: FakeGitLab, issuer: str
) -> None:
    with pytest.raises(StateError, match="somebody's already"):
        create_app(believing(settings, gitlab.entry(issuer=issuer)), Metrics())


async def test_another_casemate_may_say_what_it_grants(
    settings: Settings, tmp_path: Path, gitlab: FakeGitLab
) -> None:
    entry = gitlab.entry(name="branch", kind="casemate", issuer="http://branch.test")
    entry = {**entry, "key_set_file": "branch.json"}
    del entry["discovery_url"]
    (tmp_path / "branch.json").write_text(json.dumps({"keys": [a_jwk("branch-key")]}))
    async with a_gateway(believing(settings, entry)) as gateway:
        token = a_token(
            kid="branch-key", iss="http://branch.test", gitlab_instance_id="branch", era=0
        )
        headers = {"Authorization": f"Bearer {token}"}
        answer = await gateway.http.get(MODELS, headers=headers)
    assert (answer.status_code, answer.json()["data"]) == (200, [])


async def test_a_gitlab_may_have_an_authority_of_its_own(
    settings: Settings, tmp_path: Path
) -> None:
    organisation = Organisation.make(tmp_path / "pki")
    cert, key = organisation.issue("gitlab", "127.0.0.1")
    gitlab = FakeGitLab()
    gitlab.tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    gitlab.tls.load_cert_chain(cert, key)
    await gitlab.start()
    async with a_gateway(believing(settings, gitlab.entry())) as gateway:
        assert await status(gateway, gitlab.headers()) == 503
    async with a_gateway(believing(settings, gitlab.entry(ca_file="pki/ca.pem"))) as gateway:
        assert await status(gateway, gitlab.headers()) == 200
    await gitlab.stop()
