"""Deliveries: to whom an answer goes, and that a slow one keeps nobody waiting."""

from typing import Any

import pytest

from appliance.ai_actions.rules import Address, Message, Request, ResourceRef
from appliance.ai_actions.usecases import Deliveries
from appliance.ai_actions.usecases.deliveries import MAX_OF_A_USER, MAX_WAITING
from tests.instance_builders import NOW

ISSUE = ResourceRef(kind="Issue", id=52)


def a_request(**changes: Any) -> Request:
    fields = {
        "id": 1,
        "uid": "r",
        "action": "summarize_comments",
        "user_id": 7,
        "credential_id": 1,
        "client_ip": "127.0.0.1",
        "inputs": {},
        "resource": ISSUE,
        "project_id": None,
        "namespace_id": None,
        "thread_id": None,
        "client_subscription_id": None,
        "state": "running",
        "attempt": 1,
        "created_at": NOW,
    }
    return Request(**{**fields, **changes})


def a_message(**changes: Any) -> Message:
    fields = {"uid": "m", "request_uid": "r", "role": "ASSISTANT", "timestamp": NOW}
    return Message(**{**fields, "content": "done", **changes})


def an_address(**changes: Any) -> Address:
    return Address(**{"user_id": 7, "resource": ISSUE, **changes})


@pytest.mark.parametrize(
    ("address", "gets_it"),
    [
        (an_address(client_subscription_id="a"), True),
        (an_address(resource=None, action="summarize_comments", client_subscription_id="a"), True),
        (an_address(client_subscription_id="b"), False),
        (an_address(), False),
        (an_address(user_id=8, client_subscription_id="a"), False),
        (an_address(action="summarize_comments", client_subscription_id="a"), False),
        (an_address(resource=None, client_subscription_id="a"), False),
    ],
)
async def test_an_answer_goes_to_exactly_its_two_keys(address: Address, gets_it: bool) -> None:
    deliveries = Deliveries()
    with deliveries.subscribe(address):
        found = deliveries.deliver(a_request(client_subscription_id="a"), a_message())
    assert found == int(gets_it)


async def test_two_features_on_one_resource_never_hear_each_other() -> None:
    deliveries = Deliveries()
    with (
        deliveries.subscribe(an_address(client_subscription_id="one")) as one,
        deliveries.subscribe(an_address(client_subscription_id="two")) as two,
    ):
        deliveries.deliver_whole(a_request(client_subscription_id="one"), a_message(uid="1"))
        deliveries.deliver_whole(a_request(client_subscription_id="two"), a_message(uid="2"))
        deliveries.stop()
        heard = [(await one.take()), (await two.take())]
        assert [each.uid for each in heard if each] == ["1", "2"]
        assert await one.take() is None
        assert await two.take() is None


@pytest.mark.parametrize(("thread_id", "found"), [(3, 2), (None, 1)])
async def test_of_chat_the_saved_answer_goes_to_all_tabs_as_well(
    thread_id: int | None, found: int
) -> None:
    deliveries, request = Deliveries(), a_request(thread_id=thread_id, client_subscription_id="a")
    with (
        deliveries.subscribe(an_address(client_subscription_id="a")),
        deliveries.subscribe(an_address()),
    ):
        assert deliveries.deliver_whole(request, a_message()) == found


async def test_without_a_subscription_id_an_answer_comes_once() -> None:
    deliveries = Deliveries()
    with deliveries.subscribe(an_address()):
        assert deliveries.deliver_whole(a_request(thread_id=3), a_message()) == 1


async def test_what_the_user_said_goes_to_all_of_their_tabs() -> None:
    deliveries, request = Deliveries(), a_request(thread_id=3, client_subscription_id="a")
    with deliveries.subscribe(an_address()):
        assert deliveries.deliver(request, a_message(role="USER")) == 1


async def test_who_takes_nothing_loses_chunks_and_never_the_whole() -> None:
    deliveries, request = Deliveries(), a_request(client_subscription_id="a")
    with deliveries.subscribe(an_address(client_subscription_id="a")) as stuck:
        for number in range(1, 3 * MAX_WAITING):
            deliveries.deliver(request, a_message(chunk_id=number))
        deliveries.deliver_whole(request, a_message(uid="whole"))
        deliveries.stop()
        taken = []
        while (message := await stuck.take()) is not None:
            taken.append(message)
    assert len(taken) == MAX_WAITING
    assert taken[-1].uid == "whole"
    assert stuck.dropped == 2 * MAX_WAITING
    numbers = [each.chunk_id for each in taken[:-1]]
    assert numbers == sorted(number for number in numbers if number is not None)


async def test_of_whole_messages_the_oldest_gives_way() -> None:
    deliveries = Deliveries()
    with deliveries.subscribe(an_address()) as stuck:
        for number in range(MAX_WAITING + 1):
            deliveries.deliver(a_request(), a_message(uid=str(number)))
        first = await stuck.take()
    assert first is not None
    assert first.uid == "1"


async def test_who_has_too_many_subscriptions_gets_one_that_is_over() -> None:
    deliveries = Deliveries()
    kept = [deliveries.subscribe(an_address()) for _ in range(MAX_OF_A_USER)]
    for each in kept:
        each.__enter__()
    with deliveries.subscribe(an_address()) as over:
        assert await over.take() is None
    with deliveries.subscribe(an_address(user_id=8)) as other:
        deliveries.deliver(a_request(user_id=8), a_message())
        assert await other.take() is not None
    for each in kept:
        each.__exit__(None, None, None)
    assert deliveries.count == 0
    assert deliveries.user_ids == ()


async def test_after_a_stop_every_subscription_is_over() -> None:
    deliveries = Deliveries()
    deliveries.stop()
    with deliveries.subscribe(an_address()) as subscription:
        assert await subscription.take() is None
