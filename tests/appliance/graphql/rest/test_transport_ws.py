import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from gql import Client as GqlClient
from gql import GraphQLRequest, gql
from gql.transport.aiohttp_websockets import AIOHTTPWebsocketsTransport
from gql.transport.exceptions import TransportQueryError
from gql.transport.websockets import WebsocketsTransport
from websockets.exceptions import InvalidStatus

from appliance.graphql.rest.operations import PATH
from appliance.graphql.rest.transport_ws import PROTOCOL
from tests.appliance.graphql.rest.conftest import LISTEN, ME, OWN_ORIGIN, Client, Live

INIT = {"type": "connection_init"}
ACK = {"type": "connection_ack"}


def subscribing(name: str = "1", query: str = LISTEN, **payload: Any) -> dict[str, Any]:
    return {
        "type": "subscribe",
        "id": name,
        "payload": {"query": query, "variables": ME, **payload},
    }


@asynccontextmanager
async def a_talk(live: Live, **how: Any) -> AsyncIterator[Client]:
    async with live.open(PATH, PROTOCOL, **how) as client:
        assert client.socket.subprotocol == PROTOCOL
        await client.say(INIT)
        assert await client.next() == ACK
        yield client


async def hears(client: Client, name: str, content: str) -> None:
    got = await client.next()
    assert (got["type"], got["id"]) == ("next", name)
    assert got["payload"]["data"]["aiCompletionResponse"]["content"] == content


async def test_who_subscribes_hears_from_then_on(live: Live) -> None:
    async with a_talk(live) as client:
        await client.say(subscribing())
        await live.listeners(1)
        live.deliver("one", chunk=1)
        live.deliver("whole")
        await hears(client, "1", "one")
        await hears(client, "1", "whole")
        await client.say({"type": "complete", "id": "1"})
        await live.listeners(0)
        await client.say(subscribing())
        await live.listeners(1)


async def test_queries_and_mutations_are_answered_and_complete(live: Live) -> None:
    query = "{ currentUser { username } }"
    async with a_talk(live) as client:
        await client.say(subscribing("q", query))
        data = {"currentUser": {"username": "admin"}}
        assert await client.next() == {"type": "next", "id": "q", "payload": {"data": data}}
        assert await client.next() == {"type": "complete", "id": "q"}


async def test_when_answers_end_the_operation_is_complete(live: Live) -> None:
    async with a_talk(live) as client:
        await client.say(subscribing())
        await live.listeners(1)
        live.deliveries.stop()
        assert await client.next() == {"type": "complete", "id": "1"}


async def test_what_cannot_be_run_is_an_error_of_its_own_alone(live: Live) -> None:
    aliases = " ".join(f"a{n}: currentUser {{ id }}" for n in range(21))
    async with a_talk(live) as client:
        for query, code in (
            ("subscription {", None),
            ("subscription { nothing }", "argumentNotAccepted"),
            ("subscription ($userId: Int!) { aiCompletionResponse { content } }", None),
            ("subscription A { a } subscription B { b }", "operation_unknown"),
            (f"{{ {aliases} }}", "query_too_large"),
        ):
            await client.say(subscribing("bad", query))
            got = await client.next()
            assert (got["type"], got["id"]) == ("error", "bad")
            assert got["payload"][0]["message"]
            assert got["payload"][0].get("extensions", {}).get("code") == code
        await client.say({"type": "ping"})
        assert await client.next() == {"type": "pong"}


async def test_a_token_may_come_with_the_greeting(live: Live) -> None:
    pat = live.filled.secret("token")
    for payload in (
        {"Authorization": f"Bearer {pat}"},
        {"AUTHORIZATION": f"bearer {pat}"},
        {"Private-Token": pat},
        {"token": pat, "other": 1},
    ):
        async with live.open(PATH, PROTOCOL, pat="") as client:
            await client.say({**INIT, "payload": payload})
            assert await client.next() == ACK


async def test_without_a_good_token_the_greeting_is_the_end(live: Live) -> None:
    for payload in (None, {}, {"token": "casemate-pat-wrong"}, {"token": 7}):
        async with live.open(PATH, PROTOCOL, pat="") as client:
            await client.say({**INIT, "payload": payload})
            assert await client.closed() == (4403, "Forbidden")


async def test_what_is_asked_before_the_greeting_is_the_end(live: Live) -> None:
    async with live.open(PATH, PROTOCOL) as client:
        await client.say(subscribing())
        assert await client.closed() == (4401, "Unauthorized")


async def test_who_does_not_greet_in_time_is_sent_away(live: Live) -> None:
    live.set_times(greeting=0.01)
    async with live.open(PATH, PROTOCOL) as client:
        assert await client.closed() == (4408, "Connection initialisation timeout")


async def test_two_greetings_are_one_too_many(live: Live) -> None:
    async with a_talk(live) as client:
        await client.say(INIT)
        assert await client.closed() == (4429, "Too many initialisation requests")


async def test_an_id_in_use_cannot_be_taken(live: Live) -> None:
    async with a_talk(live) as client:
        await client.say(subscribing())
        await client.say(subscribing())
        assert await client.closed() == (4409, "Subscriber for 1 already exists")
    await live.listeners(0)


async def test_a_frame_of_another_form_is_the_end(live: Live) -> None:
    for frame in (
        "{",
        b"\x00",
        "[]",
        {"type": "dance"},
        {"id": "1"},
        {"type": "subscribe", "payload": {"query": LISTEN}},
        {"type": "subscribe", "id": "", "payload": {"query": LISTEN}},
        {"type": "subscribe", "id": "x" * 257, "payload": {"query": LISTEN}},
        {"type": "subscribe", "id": "1"},
        {"type": "subscribe", "id": "1", "payload": {"query": 7}},
        {"type": "subscribe", "id": "1", "payload": []},
        {"type": "connection_init", "payload": 7},
        "[" * 100_000,
    ):
        async with a_talk(live) as client:
            await client.say(frame)
            assert await client.closed() == (4400, "Invalid message received")


async def test_there_are_only_so_many_operations(live: Live, monkeypatch: Any) -> None:
    monkeypatch.setattr("appliance.graphql.rest.transport_ws.MAX_OPERATIONS", 1)
    async with a_talk(live) as client:
        await client.say({"type": "pong"})
        await client.say(subscribing("1"))
        await client.say(subscribing("2"))
        got = await client.next()
        assert (got["type"], got["id"]) == ("error", "2")
        await live.listeners(1)


async def test_another_protocol_is_not_spoken(live: Live) -> None:
    for protocols in ((), ("graphql-ws",)):
        async with live.open(PATH, *protocols) as client:
            assert await client.closed() == (4406, "Subprotocol not acceptable")


async def test_a_page_of_another_site_is_refused(live: Live) -> None:
    async with a_talk(live, origin=OWN_ORIGIN):
        pass
    with pytest.raises(InvalidStatus) as refused:
        async with live.open(PATH, PROTOCOL, origin="https://evil.example.org"):
            pass
    assert refused.value.response.status_code == 403


async def test_a_blocked_user_loses_the_socket(live: Live) -> None:
    live.set_times(greeting=1, recheck=0.01)
    async with live.http() as http:
        fields = {"username": "ada", "name": "ada", "email": "ada@example.org"}
        ada = (await http.post("/api/v4/users", json=fields)).json()["id"]
        path = f"/api/v4/users/{ada}/personal_access_tokens"
        made = await http.post(path, json={"name": "x", "scopes": ["ai_features"]})
        async with live.open(PATH, PROTOCOL, pat=made.json()["token"]) as client:
            await client.say(INIT)
            await client.say(subscribing(variables={}))
            await live.listeners(1)
            await http.post(f"/api/v4/users/{ada}/block")
            assert await client.closed() == (4403, "Forbidden")
    await live.listeners(0)


async def test_at_the_end_clients_are_told_to_come_back(live: Live) -> None:
    async with a_talk(live) as client:
        await client.say(subscribing())
        await live.listeners(1)
        live.server.should_exit = True
        assert await client.closed() == (1012, "Service restart")


async def test_libraries_that_nobody_here_wrote_subscribe(live: Live) -> None:
    authorization = {"Authorization": f"Bearer {live.filled.secret('token')}"}
    how: dict[str, Any] = {"url": f"ws://127.0.0.1:{live.port}{PATH}", "subprotocols": [PROTOCOL]}
    for transport in (
        WebsocketsTransport(**how, init_payload=authorization, connect_args={"proxy": None}),
        AIOHTTPWebsocketsTransport(**how, headers=authorization),
    ):
        async with GqlClient(transport=transport) as session:
            asked = await session.execute(gql("{ currentUser { username } }"))
            assert asked == {"currentUser": {"username": "admin"}}
            with pytest.raises(TransportQueryError):
                await session.execute(gql("{ nothing }"))
            heard = session.subscribe(GraphQLRequest(LISTEN, variable_values=ME))
            first = asyncio.create_task(anext(heard))
            await live.listeners(1)
            live.deliver("to gql")
            assert (await first)["aiCompletionResponse"]["content"] == "to gql"
            await heard.aclose()
        await live.listeners(0)
