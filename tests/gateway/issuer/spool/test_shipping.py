import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import msgspec
import pytest

from gateway.contract.events import Batch
from gateway.issuer.spool.spool import Spool
from gateway.settings import Settings
from tests.builders import a_decision, a_token, a_usage_event
from tests.fakes.instance import FakeInstance
from tests.fakes.model_endpoint import FakeModelEndpoint
from tests.gateway.conftest import RunningGateway, a_gateway, eventually

CHAT = "/v1/chat/completions"
ASK = {"model": "demo", "messages": [{"role": "user", "content": "Hi"}]}


def filled(folder: Path, *numbers: int) -> None:
    """A spool that a process left behind with these events in it."""
    spool = Spool(folder, limit_bytes=10**6, clock=lambda: 0.0)
    for number in numbers:
        event = a_usage_event(number)
        assert spool.open(event)
        spool.settle(event)
    spool.close()


def request_ids(instance: FakeInstance) -> list[str]:
    return [event.request_id for event in instance.events]


@pytest.fixture
async def patient(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[RunningGateway]:
    """A gateway that tries again soon."""
    monkeypatch.setattr("gateway.issuer.spool.shipping.FIRST_PAUSE_S", 0.05)
    async with a_gateway(settings) as running:
        yield running


async def test_a_whole_answer_is_told_with_everything_but_its_content(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    token = a_token(ns=7, root_ns=3)
    headers = {"Authorization": f"Bearer {token}", "X-Request-ID": "mine-1"}
    await gateway.http.post(CHAT, json=ASK, headers=headers)
    await eventually(lambda: instance.events)
    event = instance.events[0]
    assert (event.request_id, event.outcome, event.status) == ("mine-1", "answered", 200)
    assert (event.feature, event.unit_primitive, event.provider) == ("duo_chat", "duo_chat", "shm")
    assert (event.model, event.subject) == ("demo", "user-1")
    assert (event.namespace_id, event.root_namespace_id) == (7, 3)
    assert (event.prompt_tokens, event.completion_tokens) == (7, 3)
    assert event.duration_ms is not None
    assert event.first_token_ms is None
    assert b"three" not in msgspec.json.encode(event)


async def test_a_stream_tells_when_its_first_part_came(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    endpoint.pace_s = 0.02
    await gateway.chat(stream=True)
    await eventually(lambda: instance.events)
    event = instance.events[0]
    assert (event.outcome, event.completion_tokens) == ("answered", 3)
    assert event.first_token_ms is not None
    assert event.duration_ms is not None
    assert event.first_token_ms < event.duration_ms - 40


async def test_every_end_of_a_call_is_told(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    endpoint.status = 400
    await gateway.chat()
    endpoint.status = 500
    await gateway.chat()
    endpoint.status, endpoint.break_after = 200, 1
    await gateway.chat(stream=True)
    endpoint.break_after, endpoint.waits = None, True
    asking = asyncio.create_task(gateway.chat())
    await eventually(lambda: endpoint.running == 1)
    asking.cancel()
    await eventually(lambda: len(instance.events) == 4)
    told = [(event.outcome, event.status) for event in instance.events]
    assert told == [
        ("refused_by_model", 400),
        ("failed", 502),
        ("failed", 503),
        ("aborted", 499),
    ]


async def test_a_client_that_leaves_after_the_last_event_was_answered(
    gateway: RunningGateway, instance: FakeInstance, endpoint: FakeModelEndpoint
) -> None:
    endpoint.lingers = True
    headers = {"Authorization": f"Bearer {a_token()}"}
    body = {**ASK, "stream": True}
    async with gateway.http.stream("POST", CHAT, json=body, headers=headers) as answer:
        async for line in answer.aiter_lines():
            if line == "data: [DONE]":
                # Told before we leave: it was on disk before we had this line.
                await eventually(lambda: instance.events)
                break
    assert instance.events[0].outcome == "answered"


async def test_a_refused_call_is_no_usage(gateway: RunningGateway, instance: FakeInstance) -> None:
    assert (await gateway.chat(a_token(scopes=[]))).status_code == 403
    assert (await gateway.chat()).status_code == 200
    await eventually(lambda: instance.events)
    assert len(instance.events) == 1


async def test_nothing_is_lost_or_doubled_while_the_instance_is_away(
    patient: RunningGateway, instance: FakeInstance
) -> None:
    instance.is_down = True
    for _ in range(5):
        await patient.chat()
    assert instance.events == []
    assert patient.counted("usage_events_pending") == 5
    instance.is_down = False
    await eventually(lambda: len(instance.events) >= 5)
    await eventually(lambda: patient.counted("usage_events_pending") == 0)
    assert patient.counted("usage_events_shipped_total") == 5
    assert len({event.event_id for event in instance.events}) == 5


async def test_a_batch_whose_answer_was_lost_comes_again_whole(
    patient: RunningGateway, instance: FakeInstance
) -> None:
    lost: list[Batch] = []

    def lose_the_first(batch: Batch) -> int:
        lost.append(batch)
        return 502 if len(lost) == 1 else 200

    instance.takes_batch = lose_the_first
    await patient.chat()
    await eventually(lambda: instance.events)
    assert lost[0] == lost[1]


async def test_a_restarted_gateway_ships_what_the_one_before_left(
    settings: Settings, instance: FakeInstance
) -> None:
    filled(settings.state_folder, 1, 2)
    async with a_gateway(settings):
        await eventually(lambda: instance.events)
    async with a_gateway(settings) as again:
        await again.chat()
        await eventually(lambda: len(instance.events) == 3)
    assert request_ids(instance)[:2] == ["request-1", "request-2"]


async def test_one_bad_event_does_not_hold_the_others_up(
    settings: Settings, instance: FakeInstance
) -> None:
    filled(settings.state_folder, *range(20))
    instance.takes_batch = lambda batch: (
        400 if any(event.request_id == "request-13" for event in batch.events) else 200
    )
    async with a_gateway(settings) as gateway:
        await eventually(lambda: len(instance.events) == 19)
        await eventually(lambda: gateway.counted("usage_events_dropped_total") == 1)
        await gateway.chat()
        await eventually(lambda: len(instance.events) == 20)
    assert request_ids(instance)[:19] == [f"request-{n}" for n in range(20) if n != 13]


async def test_an_instance_that_refuses_every_batch_loses_none(
    settings: Settings, instance: FakeInstance, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gateway.issuer.spool.shipping.FIRST_PAUSE_S", 0.05)
    filled(settings.state_folder, 1, 2)
    tries = Counter[int]()

    def refuse(batch: Batch) -> int:
        tries[len(batch.events)] += 1
        return 422

    instance.takes_batch = refuse
    async with a_gateway(settings) as gateway:
        await eventually(lambda: tries[0] >= 2)
        assert gateway.counted("usage_events_dropped_total") == 0
        instance.takes_batch = lambda _: 200
        await eventually(lambda: request_ids(instance) == ["request-1", "request-2"])


async def test_refused_events_are_dealt_with(settings: Settings, instance: FakeInstance) -> None:
    filled(settings.state_folder, 1)
    instance.refuses = {a_usage_event(1).event_id: "too old"}
    async with a_gateway(settings) as gateway:
        await eventually(lambda: gateway.counted("usage_events_shipped_total") == 1)
        await gateway.chat()
        await eventually(lambda: len(instance.events) == 2)


async def test_more_than_a_batch_comes_in_order(settings: Settings, instance: FakeInstance) -> None:
    filled(settings.state_folder, *range(1200))
    async with a_gateway(settings):
        await eventually(lambda: len(instance.events) == 1200)
    assert request_ids(instance) == [f"request-{number}" for number in range(1200)]
    assert max(len(batch.events) for batch in instance.batches) <= 500


async def test_a_decision_and_an_event_that_are_refused_together_are_told_apart(
    settings: Settings, instance: FakeInstance
) -> None:
    filled(settings.state_folder, 1)
    spool = Spool(settings.state_folder, limit_bytes=10**6, clock=lambda: 0.0)
    spool.decide(a_decision(5))
    spool.close()
    instance.takes_batch = lambda batch: 400 if batch.events else 200
    async with a_gateway(settings):
        await eventually(lambda: instance.decisions == [a_decision(5)])


async def test_a_receipt_that_is_none_is_tried_again(
    patient: RunningGateway, instance: FakeInstance
) -> None:
    answers = iter([204])
    instance.takes_batch = lambda _: next(answers, 200)
    await patient.chat()
    await eventually(lambda: instance.events)


async def test_a_refusal_is_shipped_under_the_id_that_the_caller_got(
    gateway: RunningGateway, instance: FakeInstance
) -> None:
    refused = await gateway.chat(a_token(scopes=[]))
    await eventually(lambda: instance.decisions)
    decision = instance.decisions[0]
    assert decision.decision_id == refused.json()["error"]["decision_id"]
    assert (decision.code, decision.subject) == ("feature_not_granted", "user-1")
