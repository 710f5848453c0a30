"""What the gateway answers, and which code each of its failures has."""

import asyncio
import json
from contextlib import aclosing
from typing import Any

import pytest

from appliance.accounts.usecases import revoke_pat
from appliance.ai_actions.errors import ActionFailedError
from appliance.ai_actions.rules.gateway.answers import (
    AgentEvent,
    Cut,
    Failed,
    PromptAnswer,
    TextDelta,
    ToolCall,
)
from appliance.audit.rules import SYSTEM
from tests.appliance.ai_actions.usecases.conftest import Post
from tests.fakes.gateway import Played, agent_parts, prompt_parts
from tests.instance_builders import NOW

PATIENCE_S = 60


async def _ask(post: Post, **how: Any) -> PromptAnswer:
    request = post.lab.request(post.lab.wish())
    return await post.asker.ask_prompt(
        request, "chat/explain_code", {"selected_code": "x"}, unit_primitive="explain_code", **how
    )


async def _step(post: Post) -> list[AgentEvent]:
    request = post.lab.request(post.lab.wish("chat"))
    return [event async for event in post.asker.ask_agent(request, {"messages": []})]


async def _failure(post: Post, *, of_agent: bool = False) -> str:
    with pytest.raises(ActionFailedError) as failed:
        await (_step(post) if of_agent else _ask(post))
    return failed.value.shown_code


async def test_a_prompt_is_asked_with_its_inputs_and_answers_as_it_comes(post: Post) -> None:
    heard: list[str] = []
    post.gateway.parts = prompt_parts("It ", "prints.")
    answer = await _ask(post, on_text=heard.append)
    assert (answer.text, answer.cuts, heard) == ("It prints.", (), ["It ", "prints."])
    path, headers, body = post.gateway.heard[0]
    assert path == "/v2/prompts/chat/explain_code"
    assert json.loads(body) == {
        "inputs": {"selected_code": "x"},
        "prompt_version": "^1.0.0",
        "stream": True,
    }
    assert headers["x-request-id"] == "uid-1"


async def test_each_call_has_a_token_of_its_own_that_opens_no_more_than_it(post: Post) -> None:
    post.gateway.parts = prompt_parts("Hi")
    await _ask(post)
    first = post.gateway.claims
    assert (first["use"], first["client_ip"]) == ("forwarded", "127.0.0.1")
    assert first["scopes"] == ["explain_code"]
    assert first["ns"] == post.lab.found["Group"].id
    await _ask(post)
    assert post.gateway.claims["jti"] != first["jti"]


async def test_an_answer_split_anywhere_is_the_same(post: Post) -> None:
    whole = b"".join(prompt_parts("Grüße", "!"))
    post.gateway.parts = [whole[at : at + 1] for at in range(len(whole))]
    assert (await _ask(post)).text == "Grüße!"


async def test_what_was_cut_comes_with_the_answer_or_instead_of_it(post: Post) -> None:
    post.gateway.script = [Played(prompt_parts("Hi"), cut="notes=10/30") for _ in range(2)]
    cuts = (Cut(input="notes", kept=10, whole=30),)
    assert await _ask(post) == PromptAnswer(text="Hi", cuts=cuts)
    assert await _ask(post, whole={"notes"}) == PromptAnswer(text="", cuts=cuts)


@pytest.mark.parametrize(
    ("status", "refusal", "code"),
    [
        (421, "model_fault", "A1001"),
        (503, "model_unavailable", "A1001"),
        (400, "prompt_too_long", "A1005"),
        (422, "validation_failed", "A1004"),
        (500, "internal_error", "A1004"),
        (403, "feature_not_granted", "M3005"),
        (403, "provider_not_entitled", "G3001"),
        (403, "feature_disabled", "M3002"),
        (401, "token_superseded", "M3003"),
    ],
)
async def test_a_refusal_has_its_code(post: Post, status: int, refusal: str, code: str) -> None:
    said = json.dumps({"detail": "It says why.", "code": refusal, "decision_id": "d"})
    post.gateway.script = [Played([said.encode()], status=status) for _ in range(2)]
    assert await _failure(post) == code
    chat = {"M3005": "M3004", "G3001": "M3006"}.get(code, code)
    assert await _failure(post, of_agent=True) == chat


async def test_nobody_there(post: Post) -> None:
    await post.gateway.stop()
    assert await _failure(post) == "A1001"
    assert await _failure(post, of_agent=True) == "A1001"


@pytest.mark.parametrize("of_agent", [False, True])
@pytest.mark.parametrize(
    ("played", "code"),
    [
        (Played([]), "A1002"),
        (Played([b"<html>\n"]), "A1002"),
        (Played([b'{"content": "H'], breaks_off=True), "A1003"),
        (Played([b"x" * 300_000] * 4), "A1002"),
    ],
)
async def test_an_answer_that_is_none(
    post: Post, played: Played, code: str, *, of_agent: bool
) -> None:
    post.gateway.script = [played]
    assert await _failure(post, of_agent=of_agent) == code


@pytest.mark.parametrize("breaks_off", [False, True])
async def test_an_answer_without_its_end_is_none(post: Post, *, breaks_off: bool) -> None:
    begun = prompt_parts("Half of", is_whole=False)
    said = agent_parts(("final_answer_delta", {"text": "Half of"}), is_whole=False)
    post.gateway.script = [Played(begun, breaks_off=breaks_off)]
    assert await _failure(post) == "A1003"
    post.gateway.script = [Played(said, breaks_off=breaks_off)]
    assert await _failure(post, of_agent=True) == "A1003"


async def test_an_answer_without_a_word(post: Post) -> None:
    post.gateway.parts = prompt_parts(" \n")
    assert await _failure(post) == "A6000"


async def test_an_answer_that_has_no_end(post: Post) -> None:
    post.gateway.parts = prompt_parts(*["x" * 100_000] * 50)
    assert await _failure(post) == "A1002"


async def test_silence_has_an_end(post: Post) -> None:
    post.outbound.silence_s = 0.05
    post.gateway.turns = asyncio.Semaphore(0)
    post.gateway.parts = prompt_parts("Hi")
    assert await _failure(post) == "A1000"
    post.gateway.turns = asyncio.Semaphore(1)
    assert await _failure(post) == "A1000"


async def test_a_token_that_was_revoked_since_asks_nobody(post: Post) -> None:
    pat = post.lab.pats["ada"]
    post.lab.write(lambda session: revoke_pat(session, None, pat, actor=SYSTEM, now=NOW))
    assert await _failure(post) == "M3003"
    assert not post.gateway.heard


async def test_a_step_of_a_conversation(post: Post) -> None:
    post.gateway.parts = agent_parts(
        ("final_answer_delta", {"text": "Hi"}),
        ("action", {"tool": "issue_reader", "tool_input": "#1", "thought": "look"}),
    )
    assert await _step(post) == [
        TextDelta(text="Hi"),
        ToolCall(tool="issue_reader", tool_input="#1", thought="look"),
    ]
    path, _, body = post.gateway.heard[0]
    assert (path, json.loads(body)) == ("/v2/chat/agent", {"messages": []})
    assert {"duo_chat", "ask_issue", "include_file_context"} <= set(post.gateway.claims["scopes"])


async def test_a_failure_ends_a_step_and_is_told_as_it_is(post: Post) -> None:
    post.gateway.parts = agent_parts(
        ("error", {"message": "tool not available: x", "retryable": True}), is_whole=False
    )
    assert await _step(post) == [Failed(message="tool not available: x", is_retryable=True)]


async def test_who_stops_listening_ends_it_at_the_gateway(post: Post) -> None:
    post.gateway.parts = agent_parts(("final_answer_delta", {"text": "Hi"}))
    post.gateway.turns = asyncio.Semaphore(1)
    request = post.lab.request(post.lab.wish("chat"))
    answer = post.asker.ask_agent(request, {"messages": []})
    async with aclosing(answer):
        async for event in answer:
            assert event == TextDelta(text="Hi")
            break
    async with asyncio.timeout(PATIENCE_S):
        await post.gateway.left.wait()


async def test_what_is_cancelled_ends_at_the_gateway(post: Post) -> None:
    post.gateway.parts = prompt_parts("Hi")
    post.gateway.turns = asyncio.Semaphore(1)
    asking = asyncio.create_task(_ask(post))
    async with asyncio.timeout(PATIENCE_S):
        while not post.gateway.sent_bytes:
            await asyncio.sleep(0.01)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await post.gateway.left.wait()


async def test_neither_questions_nor_answers_stand_in_the_log(
    post: Post, capsys: pytest.CaptureFixture[str]
) -> None:
    post.gateway.parts = prompt_parts("secret answer", is_whole=False)
    await _failure(post)
    body = b'{"detail": "secret detail", "code": "internal_error"}'
    post.gateway.script = [Played([body], status=500)]
    await _failure(post)
    said = capsys.readouterr()
    assert "gateway_call_failed" in said.out + said.err
    assert "secret" not in said.out + said.err
