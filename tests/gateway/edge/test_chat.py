from typing import Any

import httpx
import pytest

from tests.builders import a_token
from tests.fakes.model_endpoint import FakeModelEndpoint
from tests.gateway.conftest import RunningGateway

SCOPES = ["duo_chat", "explain_code"]
OVERFLOW = "This model's maximum context length is 100 tokens."


def a_component(content: object = "Hi", **payload: Any) -> dict[str, Any]:
    return {
        "type": "prompt",
        "metadata": {"source": "GitLab EE", "version": "17.0.0"},
        "payload": {
            "content": content,
            "provider": "litellm",
            "model": "general",
            "model_identifier": "custom_openai/demo",
            **payload,
        },
    }


async def ask(
    gateway: RunningGateway, name: str = "agent", *, token: str | None = None, **body: Any
) -> httpx.Response:
    bearer = a_token(scopes=SCOPES) if token is None else token
    return await gateway.http.post(
        f"/v1/chat/{name}",
        json={"prompt_components": [a_component()], **body},
        headers={"Authorization": f"Bearer {bearer}"},
    )


async def test_a_written_prompt_is_answered_with_the_model_that_did(
    gateway: RunningGateway,
) -> None:
    answer = await ask(gateway)
    assert answer.status_code == 200
    assert answer.json()["response"] == "one two three"
    metadata = answer.json()["metadata"]
    assert (metadata["provider"], metadata["model"]) == ("shm", "demo")
    assert isinstance(metadata["timestamp"], int)


async def test_a_stream_is_the_text_itself(gateway: RunningGateway) -> None:
    answer = await ask(gateway, stream=True)
    assert (answer.status_code, answer.text) == (200, "one two three")


@pytest.mark.parametrize(
    ("content", "messages"),
    [
        ("Hi", [{"role": "user", "content": "Hi"}]),
        (
            [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}],
            [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "Hi"}],
        ),
    ],
)
async def test_the_model_is_asked_what_the_client_wrote(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, content: object, messages: object
) -> None:
    params = {"stop_sequences": ["END"], "temperature": 0.5, "max_tokens_to_sample": 9}
    component = a_component(content, params=params, model_endpoint="http://evil.test/v1")
    await ask(gateway, prompt_components=[component])
    (asked,) = endpoint.requests
    assert asked["messages"] == messages
    assert (asked["stop"], asked["temperature"], asked["max_tokens"]) == (["END"], 0.5, 9)
    assert (asked["model"], asked["stream"]) == ("demo", True)


async def test_each_name_needs_its_own_scope(gateway: RunningGateway) -> None:
    assert (await ask(gateway, "explain_code")).status_code == 200
    refused = await ask(gateway, "write_tests")
    assert (refused.status_code, refused.json()["code"]) == (403, "feature_not_granted")


async def test_only_a_good_token_learns_which_names_there_are(gateway: RunningGateway) -> None:
    for name in ("nothing", "agent/more", ""):
        known = await ask(gateway, name)
        assert (known.status_code, known.json()["code"]) == (404, "not_found")
        assert (await ask(gateway, name, token="garbage")).status_code == 401


@pytest.mark.parametrize(
    "components",
    [
        [],
        [a_component(), a_component()],
        [a_component(5)],
        [a_component([{"role": "tool", "content": "x"}])],
        [a_component(params={"temperature": 9})],
        "none",
    ],
)
async def test_anything_but_one_prompt_is_refused(
    gateway: RunningGateway, components: object
) -> None:
    answer = await ask(gateway, prompt_components=components)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_what_the_client_wrote_is_not_cut(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.refusals = [(400, OVERFLOW)]
    answer = await ask(gateway)
    assert (answer.status_code, answer.json()["code"]) == (400, "prompt_too_long")
    assert len(endpoint.requests) == 1
