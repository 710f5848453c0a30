from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from gateway.edge.definitions import is_known
from gateway.settings import Settings
from tests.builders import MODEL_API_KEY, a_feed_model, a_token
from tests.fakes.gitlab import FakeGitLab, an_issuers_file, with_a_key_file
from tests.fakes.instance import FakeInstance
from tests.fakes.model_endpoint import FakeModelEndpoint
from tests.fakes.own_files import AdminsFiles, a_feature, a_model, an_upstream
from tests.gateway.conftest import RunningGateway, a_gateway, eventually

PATHS = ("/v1/models/definitions", "/v1/models%2Fdefinitions")


@pytest.fixture
def files(tmp_path: Path, endpoint: FakeModelEndpoint) -> AdminsFiles:
    """Two models, of which one is at the endpoint."""
    files = AdminsFiles(tmp_path)
    files.define(a_model(), a_model("small"), features=[a_feature(default_model="big")])
    key = files.key_file(MODEL_API_KEY)
    files.bind(an_upstream(endpoints=[endpoint.url], identifier="org/Big", api_key_file=key))
    return files


@pytest.fixture
def own_settings(settings: Settings, files: AdminsFiles) -> Settings:
    return settings.model_copy(
        update={"definitions_file": files.definitions, "upstreams_file": files.upstreams}
    )


@pytest.fixture
async def bringing(own_settings: Settings) -> AsyncIterator[RunningGateway]:
    async with a_gateway(own_settings) as running:
        yield running


async def get(gateway: RunningGateway, path: str, **headers: str) -> httpx.Response:
    url = httpx.URL(gateway.url).copy_with(raw_path=path.encode())
    return await gateway.http.send(gateway.http.build_request("GET", url, headers=headers))


@pytest.mark.parametrize("path", PATHS)
async def test_anybody_may_read_what_the_gateway_brings(
    bringing: RunningGateway, path: str
) -> None:
    answer = await get(bringing, path)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/json"
    assert "max-age=60" in answer.headers["cache-control"]
    assert answer.headers["x-request-id"]
    said = answer.json()
    assert [(each["identifier"], each["served"]) for each in said["models"]] == [
        ("big", True),
        ("small", False),
    ]
    assert said["unit_primitives"][0]["selectable_models"] == ["big", "small"]
    assert {"name", "prompt_style", "context_tokens"} < said["families"][0].keys()


async def test_what_is_known_is_not_sent_again(bringing: RunningGateway) -> None:
    etag = (await get(bringing, PATHS[0])).headers["etag"]
    again = await get(bringing, PATHS[0], **{"If-None-Match": etag})
    assert (again.status_code, again.content, again.headers["etag"]) == (304, b"", etag)
    assert (await get(bringing, PATHS[0], **{"If-None-Match": '"x"'})).status_code == 200


@pytest.mark.parametrize(
    ("header", "known"),
    [
        (b'"a"', True),
        (b'W/"a"', True),
        (b'"b", "a"', True),
        (b"*", True),
        (b'"b"', False),
        (b"a", False),
        (b"", False),
    ],
)
def test_an_etag_is_compared_weakly(header: bytes, known: bool) -> None:
    assert is_known(header, b'"a"') is known


async def test_a_gateway_that_is_not_registered_publishes_too(tmp_path: Path) -> None:
    async with a_gateway(Settings(home=tmp_path), until_ready=False) as gateway:
        said = (await get(gateway, PATHS[0])).json()
        assert said["models"]
        assert not any(each["served"] for each in said["models"])


async def test_the_path_takes_nothing_but_get(bringing: RunningGateway) -> None:
    refused = await bringing.http.post(PATHS[0], json={})
    assert (refused.status_code, refused.json()["code"]) == (405, "method_not_allowed")
    assert isinstance(refused.json()["detail"], str)


async def test_a_model_that_is_called_definitions_hides_nothing(
    bringing: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    instance.serve(a_feed_model(endpoint=endpoint.url, ref="definitions"))
    await bringing.catch_up(instance)
    assert "models" in (await get(bringing, PATHS[0])).json()
    assert (await bringing.chat(model="definitions")).status_code == 200


async def test_a_model_of_the_gateway_is_for_who_is_entitled(
    bringing: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    answer = await bringing.chat(a_token(providers=["duo"]), model="big")
    assert answer.status_code == 200
    assert endpoint.requests[-1]["model"] == "org/Big"
    refused = await bringing.chat(a_token(providers=["shm"]), model="big")
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "provider_not_entitled")
    unbound = await bringing.chat(a_token(providers=["duo"]), model="small")
    assert (unbound.status_code, unbound.json()["error"]["code"]) == (404, "model_not_found")


async def test_the_instance_hears_of_the_models_of_the_gateway(
    bringing: RunningGateway, instance: FakeInstance
) -> None:
    def said() -> dict[str, str]:
        models = instance.reports[-1].models if instance.reports else ()
        return {each.ref: each.state for each in models}

    await eventually(lambda: said().keys() == {"demo", "big"}, within_s=10)
    assert bringing.counted("requests_in_flight") == 0


async def test_a_gitlabs_tokens_see_the_models_of_the_gateway_alone(
    own_settings: Settings, tmp_path: Path
) -> None:
    gitlab = FakeGitLab()
    entry = with_a_key_file(gitlab, tmp_path)
    settings = own_settings.model_copy(update={"issuers_file": an_issuers_file(tmp_path, entry)})
    async with a_gateway(settings) as gateway:
        headers = gitlab.headers()
        listed = (await gateway.http.get("/v1/models", headers=headers)).json()["data"]
        assert [(each["id"], each["owned_by"]) for each in listed] == [("big", "duo")]
        asked = {"model": "big", "messages": [{"role": "user", "content": "Hi"}]}
        chat = "/v1/chat/completions"
        answer = await gateway.http.post(chat, json=asked, headers=headers)
        assert answer.status_code == 200
        fed = await gateway.http.post(chat, json={**asked, "model": "demo"}, headers=headers)
        assert (fed.status_code, fed.json()["error"]["code"]) == (404, "model_not_found")


async def test_a_change_of_the_files_counts_without_a_restart(
    bringing: RunningGateway, files: AdminsFiles, endpoint: FakeModelEndpoint
) -> None:
    files.bind(an_upstream("small", endpoints=[endpoint.url], api_key_file="model.key"))
    token = a_token(providers=["duo"])

    async def served() -> list[str]:
        headers = {"Authorization": f"Bearer {token}"}
        listed = (await bringing.http.get("/v1/models", headers=headers)).json()["data"]
        return [each["id"] for each in listed]

    before = (await get(bringing, PATHS[0])).headers["etag"]
    while await served() != ["small"]:
        pass
    assert (await bringing.chat(token, model="small")).status_code == 200
    assert (await bringing.chat(token, model="big")).status_code == 404
    assert (await get(bringing, PATHS[0])).headers["etag"] != before
