"""The openai library, as people use it, against the real appliance; and every refusal."""

import time

import httpx
import openai
import pytest
from openai import AsyncOpenAI, DefaultAsyncHttpxClient
from openai.types.chat import ChatCompletionMessageParam

from tests.system.driver import Appliance

ASK: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is a network?"}]


def test_a_whole_answer(appliance: Appliance) -> None:
    with appliance.client() as client:
        answer = client.chat.completions.create(
            model=appliance.told["model"], messages=ASK, max_tokens=12
        )
    assert answer.choices[0].message.content
    assert answer.usage is not None
    assert 0 < answer.usage.completion_tokens <= 12


def test_a_streamed_answer_with_usage(appliance: Appliance) -> None:
    with appliance.client() as client:
        chunks = list(
            client.chat.completions.create(
                model=appliance.told["model"],
                messages=ASK,
                max_tokens=12,
                stream=True,
                stream_options={"include_usage": True},
            )
        )
    assert len(chunks) > 5
    assert chunks[-1].choices == []
    assert chunks[-1].usage is not None


def test_a_streamed_answer_without_usage_asked_for_has_none(appliance: Appliance) -> None:
    with appliance.client() as client:
        chunks = list(
            client.chat.completions.create(
                model=appliance.told["model"], messages=ASK, max_tokens=12, stream=True
            )
        )
    assert all(chunk.usage is None and chunk.choices for chunk in chunks)


async def test_an_asynchronous_client(appliance: Appliance) -> None:
    http = DefaultAsyncHttpxClient(trust_env=False)
    base_url = f"{appliance.told['gateway_url']}/v1"
    key = appliance.access_token()
    async with AsyncOpenAI(base_url=base_url, api_key=key, http_client=http) as client:
        answer = await client.completions.create(
            model=appliance.told["model"], prompt="One, two,", max_tokens=4
        )
    assert answer.choices[0].text


def test_the_models_are_listed(appliance: Appliance) -> None:
    with appliance.client() as client:
        assert appliance.told["model"] in [model.id for model in client.models.list()]


def test_an_unknown_model_is_not_found(appliance: Appliance) -> None:
    with appliance.client() as client, pytest.raises(openai.NotFoundError) as refused:
        client.chat.completions.create(model="gpt-9", messages=ASK)
    assert refused.value.code == "model_not_found"


def test_a_key_that_is_no_token_is_an_authentication_error(appliance: Appliance) -> None:
    with appliance.client() as client:
        client.api_key = "wrong"
        with pytest.raises(openai.AuthenticationError) as refused:
            client.models.list()
    assert refused.value.code == "invalid_token"


@pytest.mark.parametrize(
    "body",
    [
        b"not json",
        b"[]",
        b'{"model": "MODEL", "messages": 5}',
        b'{"model": "MODEL", "messages": [5]}',
        b'{"model": "MODEL", "messages": [{"role": "user", "content": {}}]}',
        b'{"model": "MODEL", "messages": [{"role": "user", "content": "x"}], "max_tokens": "many"}',
        b'{"model": "MODEL", "messages": [{"role": "user", "content": "x"}], "temperature": []}',
    ],
)
def test_a_body_that_the_model_cannot_take_is_400(appliance: Appliance, body: bytes) -> None:
    answer = httpx.post(
        f"{appliance.told['gateway_url']}/v1/chat/completions",
        content=body.replace(b"MODEL", appliance.told["model"].encode()),
        headers={
            "Authorization": f"Bearer {appliance.access_token()}",
            "Content-Type": "application/json",
        },
        trust_env=False,
    )
    assert answer.status_code == 400, answer.text
    assert answer.json()["error"]["message"]


def test_a_body_over_the_limit_is_413(appliance: Appliance) -> None:
    answer = appliance.question(appliance.access_token(), user="x" * 11_000_000)
    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "request_too_large")


def test_a_personal_access_token_opens_no_model(appliance: Appliance) -> None:
    assert appliance.question(appliance.personal_token()).status_code == 401


def test_a_client_that_disconnects_frees_the_model_within_a_second(appliance: Appliance) -> None:
    key = (appliance.home / "model_server" / "api_key").read_text().strip()

    def running() -> float:
        metrics = httpx.get(
            f"{appliance.told['model_url'].removesuffix('/v1')}/metrics",
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
        ).text
        lines = [
            line for line in metrics.splitlines() if line.startswith("vllm:num_requests_running")
        ]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    with appliance.client() as client:
        stream = client.chat.completions.create(
            model=appliance.told["model"],
            messages=ASK,
            max_tokens=1500,
            stream=True,
            extra_body={"ignore_eos": True},
        )
        for _ in zip(range(5), stream, strict=False):
            pass
        assert running() == 1
        stream.close()
    left = time.monotonic()
    while running():
        assert time.monotonic() - left < 1, "the model still runs a request that nobody waits for"
