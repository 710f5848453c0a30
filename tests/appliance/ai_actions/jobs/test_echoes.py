"""Answers that another process ended reach who waits in this one, each once."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from appliance.ai_actions.jobs import Echoes
from appliance.ai_actions.jobs import echoes as module
from appliance.ai_actions.rules import Address, Answer, Request
from appliance.ai_actions.usecases import Deliveries, claim, end
from appliance.storage.engine import Db
from tests.instance_builders import NOW, SetClock

Accept = Callable[..., Request]


def end_as(db: Db, worker: str) -> None:
    held = db.write_blocking(lambda s: claim(s, worker, most_of_a_user=9, now=NOW))
    assert held is not None
    answer = Answer(content="**done**")
    assert db.write_blocking(lambda s: end(s, held, answer, worker=worker, now=NOW))


@pytest.fixture
def deliveries() -> Deliveries:
    return Deliveries()


@pytest.fixture
def echoes(db: Db, deliveries: Deliveries) -> Echoes:
    return Echoes(db, deliveries, worker="mine", clock=SetClock())


async def test_an_answer_of_another_process_comes_once(
    db: Db, deliveries: Deliveries, echoes: Echoes, accepted: Accept
) -> None:
    asked = accepted(client_subscription_id="tab")
    address = Address(user_id=asked.user_id, client_subscription_id="tab")
    with deliveries.subscribe(address) as subscription:
        await echoes.look()
        end_as(db, "theirs")
        await echoes.look()
        await echoes.look()
        deliveries.stop()
        message = await subscription.take()
        assert message is not None
        assert message.content == "**done**"
        assert "<strong>done</strong>" in (message.content_html or "")
        assert await subscription.take() is None


@pytest.mark.parametrize("worker", ["mine", "theirs"])
async def test_an_own_answer_and_one_that_nobody_waits_for_are_left_alone(
    db: Db, deliveries: Deliveries, echoes: Echoes, accepted: Accept, worker: str
) -> None:
    asked = accepted()
    end_as(db, worker)
    other = asked.user_id if worker == "mine" else asked.user_id + 1
    with deliveries.subscribe(Address(user_id=other)) as subscription:
        await echoes.look()
        deliveries.stop()
        assert await subscription.take() is None


async def test_it_looks_by_itself_where_there_may_be_other_processes(
    db: Db, deliveries: Deliveries, echoes: Echoes, accepted: Accept
) -> None:
    asked = accepted()
    async with echoes.run():
        with deliveries.subscribe(Address(user_id=asked.user_id)) as subscription:
            end_as(db, "theirs")
            if db.engine.dialect.name == "sqlite":
                deliveries.stop()
            message = await subscription.take()
    assert (message is None) == (db.engine.dialect.name == "sqlite")


async def test_what_ended_long_before_the_look_is_not_told(
    db: Db, deliveries: Deliveries, accepted: Accept
) -> None:
    asked, clock = accepted(), SetClock()
    end_as(db, "theirs")
    clock.now = NOW + timedelta(minutes=5)
    echoes = Echoes(db, deliveries, worker="mine", clock=clock)
    with deliveries.subscribe(Address(user_id=asked.user_id)) as subscription:
        await echoes.look()
        deliveries.stop()
        assert await subscription.take() is None


async def test_a_fault_in_one_look_does_not_end_the_looking(
    db: Db, deliveries: Deliveries, accepted: Accept, monkeypatch: pytest.MonkeyPatch
) -> None:
    if db.engine.dialect.name == "sqlite":
        pytest.skip("one process has nobody to look for")
    asked, echoes = accepted(), Echoes(db, deliveries, worker="mine", clock=SetClock())

    def fail_once(*_: object, **__: object) -> None:
        monkeypatch.undo()
        raise RuntimeError

    monkeypatch.setattr(module, "ended_elsewhere", fail_once)
    with deliveries.subscribe(Address(user_id=asked.user_id)) as subscription:
        async with echoes.run():
            end_as(db, "theirs")
            assert await subscription.take() is not None
