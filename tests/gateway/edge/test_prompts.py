import json
from pathlib import Path
from typing import Any

import httpx
import pytest

from gateway.contract.feed import SELECTIONS, SwitchedOff
from gateway.contract.selection import SWITCHING_FLAG, Feature
from gateway.contract.ulids import is_ulid
from gateway.settings import Settings
from tests.builders import MODEL_API_KEY, a_feed_model, a_token
from tests.fakes.gitlab import FakeGitLab, an_issuers_file, with_a_key_file
from tests.fakes.instance import FakeInstance
from tests.fakes.model_endpoint import FakeModelEndpoint
from tests.fakes.own_files import AdminsFiles, a_model, an_upstream
from tests.gateway.conftest import RunningGateway, a_gateway

CHECK = "model_configuration/check"
EXPLAIN = "chat/explain_code"
COMMIT = "generate_commit_message"
FLAG = "new_prompt_template"
SCOPES = ["complete_code", "explain_code", "generate_commit_message", "duo_chat"]
USAGE = {"demo": {"input_tokens": 7, "output_tokens": 3}}


async def ask(
    gateway: RunningGateway,
    prompt_id: str = CHECK,
    *,
    version: str = "v2",
    token: str | None = None,
    headers: dict[str, str] | None = None,
    **body: Any,
) -> httpx.Response:
    bearer = a_token(scopes=SCOPES) if token is None else token
    return await gateway.http.post(
        f"/{version}/prompts/{prompt_id}",
        json={"inputs": {}, "model_metadata": {"provider": "gitlab", "identifier": "demo"}, **body},
        headers={"Authorization": f"Bearer {bearer}", **(headers or {})},
    )


def lines_of(answer: httpx.Response) -> list[Any]:
    return [json.loads(line) for line in answer.text.splitlines()]


async def test_the_first_version_answers_a_string(gateway: RunningGateway) -> None:
    answer = await ask(gateway, version="v1")
    assert (answer.status_code, answer.json()) == (200, "one two three")


async def test_the_second_version_tells_what_was_counted(gateway: RunningGateway) -> None:
    answer = await ask(gateway)
    assert answer.json() == {"content": "one two three", "usage": USAGE}


@pytest.mark.parametrize("version", ["v1", "v2"])
async def test_a_stream_comes_as_the_model_speaks(gateway: RunningGateway, version: str) -> None:
    answer = await ask(gateway, version=version, stream=True)
    assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
    if version == "v1":
        assert answer.text == "one two three"
    else:
        assert lines_of(answer) == [
            {"content": "one"},
            {"content": " two"},
            {"content": " three"},
            {"content": "", "usage": USAGE},
        ]


async def test_the_slash_of_a_name_may_be_escaped(gateway: RunningGateway) -> None:
    answer = await ask(gateway, "model_configuration%2Fcheck")
    assert answer.status_code == 200


async def test_the_engine_is_asked_for_a_stream_with_usage(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    await ask(gateway)
    (asked,) = endpoint.requests
    assert (asked["stream"], asked["stream_options"]) == (True, {"include_usage": True})
    assert asked["max_tokens"] == 16
    assert asked["model"] == "demo"


async def test_a_missing_scope_is_refused_with_a_decision(gateway: RunningGateway) -> None:
    answer = await ask(gateway, EXPLAIN, token=a_token(scopes=["duo_chat"]))
    body = answer.json()
    assert (answer.status_code, body["code"]) == (403, "feature_not_granted")
    assert "'explain_code'" in body["detail"]
    assert is_ulid(body["decision_id"])


async def test_only_a_good_token_learns_that_there_is_no_such_prompt(
    gateway: RunningGateway,
) -> None:
    known = await ask(gateway, "chat/nothing")
    assert (known.status_code, known.json()["code"]) == (404, "prompt_not_found")
    assert "'chat/nothing'" in known.json()["detail"]
    for prompt_id in ("chat/nothing", EXPLAIN):
        stranger = await ask(gateway, prompt_id, token="garbage")
        assert (stranger.status_code, stranger.json()["code"]) == (401, "invalid_token")


@pytest.mark.parametrize("prompt_id", ["", "%2E%2E", "chat//explain_code", "x" * 5000, "%00"])
async def test_no_name_leads_anywhere_but_to_a_prompt(
    gateway: RunningGateway, prompt_id: str
) -> None:
    answer = await ask(gateway, prompt_id)
    assert answer.status_code == 404
    assert len(answer.text) < 300


async def test_a_prompt_is_asked_for_by_post(gateway: RunningGateway) -> None:
    answer = await gateway.http.get(f"/v2/prompts/{CHECK}")
    assert (answer.status_code, answer.json()["code"]) == (405, "method_not_allowed")


async def test_a_version_that_there_is_not_is_refused(gateway: RunningGateway) -> None:
    answer = await ask(gateway, prompt_version="^9.0.0")
    assert (answer.status_code, answer.json()["code"]) == (400, "prompt_version_not_found")
    assert (await ask(gateway, prompt_version="^1.0.0")).status_code == 200


@pytest.mark.parametrize(
    ("body", "named"),
    [
        (b"not json", "JSON"),
        (b"[]", "object"),
        (b"{}", "inputs"),
        (b'{"inputs": []}', "$.inputs"),
        (b'{"inputs": {}, "stream": "yes"}', "$.stream"),
        (b'{"inputs": {}, "prompt_version": 1}', "$.prompt_version"),
        (b'{"inputs": {}, "model_metadata": []}', "$.model_metadata"),
        (b'{"inputs": {}, "model_metadata": {"identifier": 5}}', "$.model_metadata.identifier"),
        (b'{"inputs": {"a":' + b"[" * 9000 + b"]" * 9000 + b"}}", "JSON"),
    ],
)
async def test_a_malformed_body_is_refused_in_gitlabs_form(
    gateway: RunningGateway, body: bytes, named: str
) -> None:
    answer = await gateway.http.post(
        f"/v2/prompts/{CHECK}",
        content=body,
        headers={
            "Authorization": f"Bearer {a_token(scopes=SCOPES)}",
            "Content-Type": "application/json",
        },
    )
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert answer.json()["detail"].startswith("Validation error")
    assert named in answer.json()["detail"]


async def test_an_input_that_a_prompt_needs_is_named(gateway: RunningGateway) -> None:
    answer = await ask(gateway, EXPLAIN, inputs={"file_name": "a.py"})
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")
    assert "'selected_code'" in answer.json()["detail"]


async def test_what_a_prompt_does_not_know_is_left_out(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    inputs = {"selected_code": "print(1)", "whatever": {"canary": 1}}
    answer = await ask(gateway, EXPLAIN, inputs=inputs, another_member=1)
    assert answer.status_code == 200
    assert b"canary" not in endpoint.bodies[0]
    assert b"print(1)" in endpoint.bodies[0]


async def feed(instance: FakeInstance, gateway: RunningGateway, endpoint: str) -> None:
    """Explaining code has a model of its own, and another that may be named."""
    instance.serve(*(a_feed_model(endpoint=endpoint, ref=ref, identifier=ref) for ref in "abc"))
    explain = Feature(name="duo_chat_explain_code", default="a", selectable=frozenset({"a", "b"}))
    instance.tell(features=(explain,), groups=(), requires=(SELECTIONS,))
    await gateway.catch_up(instance)


@pytest.mark.parametrize(
    ("metadata", "asked"),
    [
        (None, "a"),
        ({"provider": "gitlab", "identifier": ""}, "a"),
        ({"provider": "gitlab", "feature_setting": "duo_chat", "identifier": "b"}, "b"),
        ({"identifier": "b"}, "b"),
        ({"provider": "openai", "identifier": "custom_openai/b"}, "a"),
        ({"provider": "openai", "endpoint": "http://evil.test/v1", "api_key": "k"}, "a"),
    ],
)
async def test_the_model_is_that_of_the_feature_unless_one_that_fits_is_named(
    gateway: RunningGateway,
    instance: FakeInstance,
    endpoint: FakeModelEndpoint,
    metadata: dict[str, str] | None,
    asked: str,
) -> None:
    await feed(instance, gateway, endpoint.url)
    inputs = {"selected_code": "1"}
    token = a_token(scopes=SCOPES, flags=[SWITCHING_FLAG])
    answer = await ask(gateway, EXPLAIN, inputs=inputs, model_metadata=metadata, token=token)
    assert answer.status_code == 200
    assert list(answer.json()["usage"]) == [asked]
    assert endpoint.requests[0]["model"] == asked


@pytest.mark.parametrize(
    ("named", "status", "code"),
    [("c", 403, "model_not_selectable"), ("d", 404, "model_not_found")],
)
async def test_a_model_that_may_not_be_named_is_refused(
    gateway: RunningGateway,
    instance: FakeInstance,
    endpoint: FakeModelEndpoint,
    named: str,
    status: int,
    code: str,
) -> None:
    await feed(instance, gateway, endpoint.url)
    metadata = {"provider": "gitlab", "identifier": named}
    token = a_token(scopes=SCOPES, flags=[SWITCHING_FLAG])
    answer = await ask(gateway, EXPLAIN, model_metadata=metadata, token=token)
    assert (answer.status_code, answer.json()["code"]) == (status, code)


async def version_asked(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, flags: list[str], **headers: str
) -> str:
    """What the model is told to do, in a version that may depend on a flag."""
    token = a_token(scopes=SCOPES, flags=flags)
    inputs = {"diff": "+1"}
    answer = await ask(gateway, COMMIT, inputs=inputs, token=token, headers=headers)
    assert answer.status_code == 200
    content: str = endpoint.requests[-1]["messages"][0]["content"]
    return content


async def test_a_flag_of_the_token_chooses_the_version_until_it_is_off_for_everyone(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, instance: FakeInstance
) -> None:
    plain = await version_asked(gateway, endpoint, [])
    on_trial = await version_asked(gateway, endpoint, [FLAG])
    assert plain != on_trial
    header = {"X-Gitlab-Enabled-Feature-Flags": FLAG}
    assert await version_asked(gateway, endpoint, [], **header) == plain
    instance.tell(switched_off=(SwitchedOff(flag=FLAG),))
    await gateway.catch_up(instance)
    assert await version_asked(gateway, endpoint, [FLAG]) == plain


async def test_a_family_gets_the_version_that_suits_it(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, instance: FakeInstance
) -> None:
    token = a_token(scopes=["measure_comment_temperature"])
    for family in ("general", "qwen"):
        instance.serve(a_feed_model(endpoint=endpoint.url, family=family))
        await gateway.catch_up(instance)
        await ask(gateway, "measure_comment_temperature", token=token, inputs={"content": "Hi"})
    general, qwen = [asked["messages"] for asked in endpoint.requests]
    assert general != qwen


async def test_a_gitlab_pushes_its_flags_in_a_header_and_names_the_gateways_models(
    settings: Settings, tmp_path: Path, endpoint: FakeModelEndpoint
) -> None:
    gitlab, files = FakeGitLab(), AdminsFiles(tmp_path)
    files.define(a_model(context_tokens=1500))
    key_file = files.key_file(MODEL_API_KEY)
    files.bind(an_upstream(endpoints=[endpoint.url], identifier="demo", api_key_file=key_file))
    update = {
        "definitions_file": files.definitions,
        "upstreams_file": files.upstreams,
        "issuers_file": an_issuers_file(tmp_path, with_a_key_file(gitlab, tmp_path)),
    }
    body = {
        "inputs": {"diff": "+1\n" * 4000},
        "model_metadata": {"provider": "gitlab", "identifier": "big"},
    }
    told = []
    async with a_gateway(settings.model_copy(update=update)) as gateway:
        for flags in ("", FLAG):
            headers = {
                **gitlab.headers(gitlab.token(scopes=[COMMIT])),
                "X-Gitlab-Enabled-Feature-Flags": flags,
            }
            path = f"/v1/prompts/{COMMIT}"
            answer = await gateway.http.post(path, json=body, headers=headers)
            assert answer.json() == "one two three"
            assert answer.headers["x-casemate-cut"].startswith("diff=")
            told.append(endpoint.requests[-1]["messages"][0]["content"])
    assert told[0] != told[1]
