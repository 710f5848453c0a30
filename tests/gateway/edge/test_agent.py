import json
from typing import Any

import httpx
import pytest

from gateway.contract.ulids import is_ulid
from tests.builders import a_token
from tests.fakes.model_endpoint import FakeModelEndpoint
from tests.gateway.conftest import RunningGateway, eventually

PATH = "/v2/chat/agent"
SCOPES = ["duo_chat", "ask_issue", "documentation_search", "include_file_context"]
QUESTION = {"role": "user", "content": "What is issue 7 about?"}
USAGE = {"type": "usage", "data": {"usage": {"demo": {"input_tokens": 7, "output_tokens": 3}}}}
CALL = ["Thought: I must look\n", "Action: issue_reader\nAction ", "Input: #7\n"]
FOUND = {
    "action": {"thought": "I must look", "tool": "issue_reader", "tool_input": "#7"},
    "observation": "Title: canary",
}
LONG = "This model's maximum context length is 2000 tokens."


async def ask(
    gateway: RunningGateway,
    *messages: dict[str, Any],
    token: str | None = None,
    headers: dict[str, str] | None = None,
    **body: Any,
) -> httpx.Response:
    bearer = a_token(scopes=SCOPES) if token is None else token
    return await gateway.http.post(
        PATH,
        json={
            "messages": list(messages) or [QUESTION],
            "model_metadata": {"provider": "gitlab", "identifier": "demo"},
            **body,
        },
        headers={"Authorization": f"Bearer {bearer}", **(headers or {})},
    )


def events_of(answer: httpx.Response) -> list[dict[str, Any]]:
    assert answer.text.endswith("\n")
    return [json.loads(line) for line in answer.text.splitlines()]


def text_of(events: list[dict[str, Any]]) -> str:
    return "".join(e["data"]["text"] for e in events if e["type"] == "final_answer_delta")


def prompt_of(endpoint: FakeModelEndpoint) -> str:
    """All that the model was asked last."""
    return "\n".join(each["content"] for each in endpoint.requests[-1]["messages"])


async def test_an_answer_comes_piece_by_piece_and_then_what_was_counted(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.words = ["Thought: easy\nFinal", " Answer: It is", " about", " cake."]
    answer = await ask(gateway)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "application/x-ndjson; charset=utf-8"
    *said, last = events_of(answer)
    assert len(said) == 3
    assert text_of(said) == "It is about cake."
    assert last == USAGE


async def test_what_is_to_be_looked_up_is_said_and_not_shown(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.words = CALL
    action, last = events_of(await ask(gateway))
    assert action == {
        "type": "action",
        "data": {"thought": "I must look", "tool": "issue_reader", "tool_input": "#7"},
    }
    assert last == USAGE


async def test_words_without_a_form_are_an_answer(gateway: RunningGateway) -> None:
    assert text_of(events_of(await ask(gateway))) == "one two three"


@pytest.mark.parametrize("words", [[], [""], ["  \n"], ["<think>hm"]])
async def test_a_model_that_says_nothing_may_be_asked_again(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, words: list[str]
) -> None:
    endpoint.words = words
    error, last = events_of(await ask(gateway))
    assert (error["type"], error["data"]["retryable"]) == ("error", True)
    assert last == USAGE


@pytest.mark.parametrize(
    ("scopes", "options"),
    [(["duo_chat"], {}), (SCOPES, {"options": {"tools": ["gitlab_documentation"]}})],
    ids=["not granted", "cannot be run"],
)
async def test_a_tool_that_is_not_offered_is_not_available(
    gateway: RunningGateway,
    endpoint: FakeModelEndpoint,
    scopes: list[str],
    options: dict[str, Any],
) -> None:
    endpoint.words = CALL
    answer = await ask(gateway, token=a_token(scopes=scopes), **options)
    assert "issue_reader:" not in prompt_of(endpoint)
    error = events_of(answer)[0]
    assert (error["type"], error["data"]["retryable"]) == ("error", True)
    assert error["data"]["message"] == "tool not available: issue_reader"


@pytest.mark.parametrize(
    "more",
    [
        {"messages": [QUESTION, {"role": "assistant", "agent_scratchpad": [FOUND]}]},
        {
            "options": {
                "agent_scratchpad": {
                    "agent_type": "react",
                    "steps": [{**FOUND["action"], "observation": FOUND["observation"]}],  # type: ignore[dict-item]  # one of two
                }
            }
        },
    ],
    ids=["in a message", "in the options"],
)
async def test_what_was_found_comes_back_to_the_model(
    gateway: RunningGateway, endpoint: FakeModelEndpoint, more: dict[str, Any]
) -> None:
    answer = await ask(gateway, **more)
    assert answer.status_code == 200
    assert "Action Input: #7" in prompt_of(endpoint)
    assert "Title: canary" in prompt_of(endpoint)


async def test_only_the_assistant_has_a_scratchpad(gateway: RunningGateway) -> None:
    answer = await ask(gateway, {**QUESTION, "agent_scratchpad": [FOUND]})
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_request")


async def test_the_page_and_the_file_are_told_as_data(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    page = {"type": "issue", "title": "On cake"}
    file = {"file_path": "cake.py", "data": "bake()", "selected_code": True}
    answer = await ask(
        gateway,
        {**QUESTION, "context": page, "current_file": file},
        unavailable_resources=["Pipelines", "bad\nline"],
    )
    assert answer.status_code == 200
    for told in ("On cake", "cake.py", "bake()", "Pipelines"):
        assert told in prompt_of(endpoint)
    assert "bad\nline" not in prompt_of(endpoint)


async def test_what_is_sent_along_needs_the_scope_of_its_category(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    def sending(category: str) -> dict[str, Any]:
        return {**QUESTION, "additional_context": [{"category": category, "content": "canary"}]}

    assert (await ask(gateway, sending("file"))).status_code == 200
    assert "canary" in prompt_of(endpoint)
    refused = await ask(gateway, sending("terminal"))
    assert (refused.status_code, refused.json()["code"]) == (403, "feature_not_granted")
    assert "'include_terminal_context'" in refused.json()["detail"]
    assert is_ulid(refused.json()["decision_id"])
    assert len(endpoint.requests) == 1


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "tool", "content": "x"}],
        [{"role": "user", "content": 5}],
        [{**QUESTION, "additional_context": [{"category": "secrets"}]}],
        [{**QUESTION, "context": "issue"}],
        [{"role": "user"}],
        [QUESTION] * 1001,
    ],
)
async def test_what_is_no_conversation_is_refused(
    gateway: RunningGateway, messages: list[Any]
) -> None:
    answer = await ask(gateway, messages=messages)
    assert (answer.status_code, answer.json()["code"]) == (422, "validation_failed")


async def test_another_scope_may_be_named(gateway: RunningGateway) -> None:
    token = a_token(scopes=["duo_classic_chat"])
    named = {"X-Gitlab-Unit-Primitive": "duo_classic_chat"}
    assert (await ask(gateway, token=token, headers=named)).status_code == 200
    assert (await ask(gateway, token=token)).status_code == 403


async def test_a_conversation_that_is_too_long_is_cut(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.refusals = [(400, LONG)]
    history = [
        {"role": "user", "content": "Long ago " * 3000},
        {"role": "assistant", "content": "x"},
    ]
    answer = await ask(gateway, *history, QUESTION)
    assert answer.headers["x-casemate-cut"].startswith("history=")
    assert QUESTION["content"] in prompt_of(endpoint)


async def test_a_question_that_fits_no_window_is_an_event_that_says_so(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.refusals = [(400, LONG)] * 3
    (error,) = events_of(await ask(gateway, {"role": "user", "content": "Why? " * 5000}))
    assert (error["type"], error["data"]["retryable"]) == ("error", False)
    assert "prompt is too long" in error["data"]["message"].lower()


async def test_a_model_that_fails_before_it_speaks_is_an_error_with_a_status(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.status = 500
    answer = await ask(gateway)
    assert (answer.status_code, answer.json()["code"]) == (421, "model_fault")


async def test_a_model_that_dies_midway_leaves_no_last_event(
    gateway: RunningGateway, endpoint: FakeModelEndpoint
) -> None:
    endpoint.words = ["Final Answer: ", "It is", " about", " cake"]
    endpoint.break_after, endpoint.pace_s = 3, 0.05
    with pytest.raises(httpx.RemoteProtocolError):
        await ask(gateway)
    labels = {"feature": "duo_chat", "provider": "shm", "model": "demo"}
    await eventually(lambda: gateway.counted("requests_total", route=PATH, status="503", **labels))
