import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import msgspec
import pytest

from gateway.contract import feed
from gateway.contract.claims import Claims
from gateway.contract.feed import MinimumGeneration, RevokedCredential
from gateway.edge.calls.running import Running
from gateway.errors import TokenSupersededError
from gateway.issuer.feed.revocations import Revocations
from tests.builders import a_token, some_claims
from tests.fakes.instance import FakeInstance
from tests.fakes.model_endpoint import FakeModelEndpoint
from tests.gateway.conftest import RunningGateway, eventually

LATER = 2**40
BLOCKED = MinimumGeneration(subject="user-1", generation=5, until=LATER, ends_streams=True)


@asynccontextmanager
async def a_stream(gateway: RunningGateway, token: str) -> AsyncIterator[AsyncIterator[str]]:
    """The lines of an answer that does not end by itself, after the first."""
    body = {"model": "demo", "messages": [], "stream": True}
    headers = {"Authorization": f"Bearer {token}"}
    async with gateway.http.stream(
        "POST", "/v1/chat/completions", json=body, headers=headers
    ) as answer:
        lines = answer.aiter_lines()
        await anext(lines)
        yield lines


async def last_of(lines: AsyncIterator[str]) -> str:
    said = [line async for line in lines if line]
    return said[-1].removeprefix("data: ")


@pytest.mark.parametrize(
    "parts",
    [
        {"generations": (BLOCKED,)},
        {"credentials": (RevokedCredential(credential="pat:7", until=LATER),)},
    ],
    ids=["blocked", "credential"],
)
async def test_the_answers_of_someone_revoked_end_at_once(
    gateway: RunningGateway,
    instance: FakeInstance,
    endpoint: FakeModelEndpoint,
    parts: dict[str, object],
) -> None:
    endpoint.waits = True
    async with a_stream(gateway, a_token(cred="pat:7", gen=4)) as lines:
        instance.revoke(**parts)
        async with asyncio.timeout(2):
            error = json.loads(await last_of(lines))["error"]
    assert (error["code"], error["type"]) == ("token_superseded", "authentication_error")
    await eventually(lambda: endpoint.running == 0, within_s=1)
    await eventually(lambda: instance.events)
    assert [(each.outcome, each.status) for each in instance.events] == [("superseded", 401)]


async def test_a_whole_answer_of_someone_revoked_is_refused(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    endpoint.waits = True
    asking = asyncio.create_task(gateway.chat(a_token(gen=4)))
    await eventually(lambda: endpoint.running == 1)
    instance.revoke(generations=(BLOCKED,))
    answer: httpx.Response = await asking
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "token_superseded")
    await eventually(lambda: endpoint.running == 0, within_s=1)


@pytest.mark.parametrize(
    "mine",
    [{"gen": 5}, {"sub": "user-2", "gen": 0}, {"cred": "pat:8", "gen": 5}],
    ids=["newer", "another user", "another credential"],
)
async def test_the_answers_of_others_go_on(
    gateway: RunningGateway,
    instance: FakeInstance,
    endpoint: FakeModelEndpoint,
    mine: dict[str, Any],
) -> None:
    endpoint.words, endpoint.pace_s = ["word"] * 30, 0.02
    asking = asyncio.create_task(gateway.chat(a_token(**mine), stream=True))
    await eventually(lambda: endpoint.running == 1)
    pat = RevokedCredential(credential="pat:7", until=LATER)
    instance.revoke(generations=(BLOCKED,), credentials=(pat,))
    await gateway.catch_up(instance)
    assert "[DONE]" in (await asking).text


async def test_a_change_of_rights_alone_ends_no_answer(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    endpoint.words, endpoint.pace_s = ["word"] * 30, 0.02
    asking = asyncio.create_task(gateway.chat(a_token(gen=4), stream=True))
    await eventually(lambda: endpoint.running == 1)
    raised = msgspec.structs.replace(BLOCKED, ends_streams=False)
    instance.revoke(generations=(raised,), minimum_era=1)
    await gateway.catch_up(instance)
    assert "[DONE]" in (await asking).text
    assert (await gateway.chat(a_token(gen=4, era=1))).status_code == 401


async def test_an_answer_goes_on_when_its_model_is_gone(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    endpoint.words, endpoint.pace_s = ["word"] * 30, 0.02
    asking = asyncio.create_task(gateway.chat(stream=True))
    await eventually(lambda: endpoint.running == 1)
    instance.serve()
    await gateway.catch_up(instance)
    assert "[DONE]" in (await asking).text
    assert (await gateway.chat()).status_code == 404


def claims(**changes: object) -> Claims:
    return msgspec.convert(some_claims(**changes), Claims)


async def test_a_right_that_is_lost_before_the_call_is_noticed() -> None:
    revocations = Revocations()
    running = Running(revocations, is_of_instance=lambda asked: asked.iss != "another")
    revocations.apply(feed.Revocations(generations=(BLOCKED,)), is_snapshot=False)
    with pytest.raises(TokenSupersededError):
        running.enter(claims())
    running.leave(running.enter(claims(iss="another")))


async def test_a_call_of_another_issuer_is_not_ended() -> None:
    running = Running(Revocations(), is_of_instance=lambda _: False)
    call = running.enter(claims())
    running.end(feed.Revocations(generations=(BLOCKED,)))
    await asyncio.sleep(0)
    assert not call.is_superseded
    running.leave(call)
