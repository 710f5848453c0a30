import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from websockets.exceptions import InvalidStatus

from appliance.graphql.rest.cable import MAX_BROKEN, MAX_CHANNELS, MAX_FRAME_CHARS, PATH, PROTOCOL
from tests.appliance.graphql.rest.conftest import LISTEN, ME, OWN_ORIGIN, Client, Live

# Odd on purpose: what comes back must be the same text, not the same JSON.
PAGE = json.dumps(
    {"nonce": "é\u2028 x", "channel": "GraphqlChannel", "query": LISTEN, "variables": ME}
).replace(", ", " ,  ")
EDITOR = json.dumps(
    {
        "channel": "GraphqlChannel",
        "operationName": None,
        "query": LISTEN,
        "variables": json.dumps(ME, sort_keys=True),
    }
)
PLAIN = json.dumps({"channel": "GraphqlChannel", "id": "1"})
RUBY = json.dumps({"channel": "GraphqlChannel", "channelId": "18c5b5f1e3"})
NOTHING_YET = {"result": {"data": {"aiCompletionResponse": None}}, "more": True}


@asynccontextmanager
async def a_cable(live: Live, *protocols: str, **how: Any) -> AsyncIterator[Client]:
    async with live.open(PATH, *protocols, **{"origin": OWN_ORIGIN, **how}) as client:
        assert await client.next() == {"type": "welcome"}
        yield client


async def subscribed(client: Client, identifier: str) -> None:
    await client.say({"command": "subscribe", "identifier": identifier})
    confirmed = {"type": "confirm_subscription", "identifier": identifier}
    assert await client.next() == confirmed


async def perform(client: Client, identifier: str, **data: Any) -> None:
    frame = {"command": "message", "identifier": identifier, "data": json.dumps(data)}
    await client.say(frame)


async def message(client: Client, identifier: str) -> Any:
    frame = await client.next()
    assert frame.keys() == {"identifier", "message"}
    assert frame["identifier"] == identifier
    return frame["message"]


async def hears(client: Client, identifier: str, content: str) -> None:
    got = await message(client, identifier)
    assert got["more"] is True
    assert got["result"]["data"]["aiCompletionResponse"]["content"] == content


@pytest.mark.parametrize("identifier", [PAGE, EDITOR])
async def test_a_query_in_the_identifier_runs_at_once(live: Live, identifier: str) -> None:
    async with a_cable(live, PROTOCOL, "actioncable-unsupported") as client:
        assert client.socket.subprotocol == PROTOCOL
        await subscribed(client, identifier)
        assert await message(client, identifier) == NOTHING_YET
        assert live.deliver("one", chunk=1) == 1
        await hears(client, identifier, "one")


@pytest.mark.parametrize(
    ("identifier", "more"),
    [(PLAIN, {}), (RUBY, {"action": "execute", "operationName": None, "operationId": None})],
)
async def test_a_query_may_come_as_a_message(
    live: Live, identifier: str, more: dict[str, Any]
) -> None:
    async with a_cable(live) as client:
        assert client.socket.subprotocol is None
        await subscribed(client, identifier)
        await perform(client, identifier, query=LISTEN, variables=ME, **more)
        assert await message(client, identifier) == NOTHING_YET
        live.deliver("one")
        await hears(client, identifier, "one")


async def test_another_library_is_served_alike(live: Live) -> None:
    headers = {"Origin": OWN_ORIGIN, "PRIVATE-TOKEN": live.filled.secret("token")}
    url = f"http://127.0.0.1:{live.port}{PATH}"
    async with (
        aiohttp.ClientSession() as session,
        session.ws_connect(url, headers=headers, protocols=[PROTOCOL], compress=15) as cable,
    ):
        assert await cable.receive_json() == {"type": "welcome"}
        await cable.send_json({"command": "subscribe", "identifier": EDITOR})
        assert (await cable.receive_json())["identifier"] == EDITOR
        assert (await cable.receive_json())["message"] == NOTHING_YET
        live.deliver("one")
        assert "one" in await cable.receive_str()


async def test_a_query_that_is_none_to_subscribe_to_is_answered_once(live: Live) -> None:
    async with a_cable(live) as client:
        await subscribed(client, RUBY)
        await perform(client, RUBY, query="{ currentUser { username } }", action="execute")
        assert await message(client, RUBY) == {
            "result": {"data": {"currentUser": {"username": "admin"}}},
            "more": False,
        }


async def test_a_page_of_another_site_is_refused_before_it_is_let_in(live: Live) -> None:
    for origin in (
        None,
        "https://evil.example.org",
        "http://casemate.example.org:8443",
        "https://casemate.example.org",
        "null",
        "https://casemate.example.org:8443.evil.example.org",
        "https://casemate.example.org:x",
    ):
        with pytest.raises(InvalidStatus) as refused:
            async with live.open(PATH, PROTOCOL, origin=origin):
                pass
        assert refused.value.response.status_code == 403


async def test_the_host_that_a_client_names_means_nothing(live: Live) -> None:
    async with a_cable(live, headers={"Host": "casemate.example.org"}):
        pass


async def test_who_is_not_known_is_sent_away_in_the_protocols_way(live: Live) -> None:
    for pat in ("", "casemate-pat-wrong"):
        async with live.open(PATH, PROTOCOL, origin=OWN_ORIGIN, pat=pat) as client:
            unauthorized = {"type": "disconnect", "reason": "unauthorized", "reconnect": False}
            assert await client.next() == unauthorized
            assert await client.closed() == (1000, "")


async def test_it_pings_with_the_time(live: Live) -> None:
    live.set_times(ping=0.01)
    async with a_cable(live) as client:
        epoch = int(live.clock.now.timestamp())
        ping = json.loads(await client.socket.recv())
        assert ping == {"type": "ping", "message": epoch}


async def test_a_channel_that_is_not_there_is_rejected(live: Live) -> None:
    async with a_cable(live) as client:
        for identifier in (
            "",
            "x",
            "[]",
            '{"channel":"ChatChannel"}',
            '{"channel":1}',
            '{"channel":"GraphqlChannel","query":1}',
            "[" * 5000,
        ):
            await client.say({"command": "subscribe", "identifier": identifier})
            rejected = {"type": "reject_subscription", "identifier": identifier}
            assert await client.next() == rejected


async def test_a_query_that_cannot_be_run_is_told_in_the_result(live: Live) -> None:
    async with a_cable(live) as client:
        wrong = json.dumps({"channel": "GraphqlChannel", "query": "subscription { nothing }"})
        await subscribed(client, wrong)
        got = await message(client, wrong)
        assert got["more"] is False
        (error,) = got["result"]["errors"]
        assert error["extensions"] == {"code": "argumentNotAccepted"}


def with_variables(query: str, variables: Any) -> str:
    return json.dumps({"channel": "GraphqlChannel", "query": query, "variables": variables})


async def test_variables_that_are_none_are_told_beside_it(live: Live) -> None:
    async with a_cable(live) as client:
        for variables in ("x", "[]", [1], 7):
            wrong = with_variables(LISTEN, variables)
            await subscribed(client, wrong)
            (error,) = (await message(client, wrong))["errors"]
            assert "variables" in error["message"]


async def test_no_variables_are_as_good_as_an_empty_object(live: Live) -> None:
    async with a_cable(live) as client:
        nothing: tuple[Any, ...] = (None, "", "{}", {})
        for variables in nothing:
            fine = with_variables("subscription { aiCompletionResponse { id } }", variables)
            await subscribed(client, fine)
            assert await message(client, fine) == NOTHING_YET


async def test_answers_of_another_are_not_to_be_had(live: Live) -> None:
    other = with_variables(LISTEN, {**ME, "userId": "gid://gitlab/User/2"})
    async with a_cable(live) as client:
        await subscribed(client, other)
        got = await message(client, other)
        assert got["more"] is False
        assert got["result"]["errors"]


async def test_after_leaving_nothing_comes_and_it_can_be_joined_again(live: Live) -> None:
    async with a_cable(live) as client:
        for content in ("first", "second"):
            await subscribed(client, PAGE)
            assert await message(client, PAGE) == NOTHING_YET
            live.deliver(content)
            await hears(client, PAGE, content)
            await client.say({"command": "unsubscribe", "identifier": PAGE})
            await live.listeners(0)
        assert live.deliver("third") == 0


async def test_asking_again_for_a_channel_changes_nothing(live: Live) -> None:
    async with a_cable(live) as client:
        await subscribed(client, PAGE)
        await client.say({"command": "subscribe", "identifier": PAGE})
        assert await message(client, PAGE) == NOTHING_YET
        await subscribed(client, PLAIN)
        assert live.deliveries.count == 1


async def test_broken_frames_are_borne_with_for_a_while(live: Live) -> None:
    broken: list[Any] = ["{", b"\x00", "[]", "x" * (MAX_FRAME_CHARS + 1), {"command": "dance"}]
    async with a_cable(live) as client:
        for frame in (broken * MAX_BROKEN)[:MAX_BROKEN]:
            await client.say(frame)
        await subscribed(client, PLAIN)
        await client.say({"command": "message", "identifier": PLAIN, "data": "{"})
        assert await client.next() == {
            "type": "disconnect",
            "reason": "invalid_request",
            "reconnect": False,
        }
        assert (await client.closed())[0] == 1000


async def test_messages_to_nobody_and_other_actions_mean_nothing(live: Live) -> None:
    async with a_cable(live) as client:
        await perform(client, RUBY, query=LISTEN)
        await client.say({"command": "unsubscribe", "identifier": RUBY})
        await subscribed(client, RUBY)
        await perform(client, RUBY, query=LISTEN, action="unsubscribed")
        await subscribed(client, PLAIN)


async def test_there_are_only_so_many_channels(live: Live) -> None:
    async with a_cable(live) as client:
        for number in range(MAX_CHANNELS):
            await subscribed(client, json.dumps({"channel": "GraphqlChannel", "id": number}))
        await client.say({"command": "subscribe", "identifier": PLAIN})
        assert (await client.next())["type"] == "reject_subscription"


async def test_there_are_only_so_many_operations(live: Live, monkeypatch: Any) -> None:
    monkeypatch.setattr("appliance.graphql.rest.cable.MAX_OPERATIONS", 1)
    async with a_cable(live) as client:
        await subscribed(client, PAGE)
        assert await message(client, PAGE) == NOTHING_YET
        await subscribed(client, PLAIN)
        await perform(client, PLAIN, query=LISTEN, variables=ME)
        assert "at once" in (await message(client, PLAIN))["errors"][0]["message"]


async def test_a_token_that_lost_its_right_loses_its_socket(live: Live) -> None:
    live.set_times(ping=0.01, recheck=0.01)
    async with a_cable(live) as client:
        await subscribed(client, PAGE)
        await message(client, PAGE)
        async with live.http() as http:
            gone = await http.delete("/api/v4/personal_access_tokens/1")
        assert gone.is_success
        assert (await client.next())["reason"] == "unauthorized"
        await client.closed()
    await live.listeners(0)


async def test_at_the_end_clients_are_told_to_come_back(live: Live) -> None:
    async with a_cable(live) as client:
        await subscribed(client, PAGE)
        await message(client, PAGE)
        live.server.should_exit = True
        assert await client.next() == {
            "type": "disconnect",
            "reason": "server_restart",
            "reconnect": True,
        }
        assert (await client.closed())[0] == 1012


async def test_who_vanishes_is_forgotten(live: Live) -> None:
    async with a_cable(live) as client:
        await subscribed(client, PAGE)
        await live.listeners(1)
        client.socket.transport.abort()
    await live.listeners(0)


async def test_who_takes_nothing_is_left_and_harms_nobody(live: Live) -> None:
    live.set_times(send=0.2)
    async with a_cable(live, has_room=False) as stuck, a_cable(live) as other:
        for client in (stuck, other):
            await subscribed(client, PAGE)
            await message(client, PAGE)
        stuck.socket.transport.pause_reading()
        text = "x" * 200_000
        async with asyncio.timeout(30):
            while live.deliveries.count == 2:
                live.deliver(text)
                await hears(other, PAGE, text)
        live.deliver("after")
        await hears(other, PAGE, "after")
        stuck.socket.transport.abort()
