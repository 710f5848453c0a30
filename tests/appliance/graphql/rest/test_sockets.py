from dataclasses import replace
from typing import Any

import pytest

from appliance.graphql.rest.cable import PATH as CABLE
from appliance.graphql.rest.cable import PROTOCOL as CABLE_PROTOCOL
from appliance.graphql.rest.operations import PATH
from appliance.graphql.rest.sockets import may_subscribe
from appliance.graphql.rest.transport_ws import PROTOCOL
from appliance.storage.engine import DatabaseUnavailableError
from tests.appliance.graphql.rest.conftest import OWN_ORIGIN, Live


class _AwayAfter:
    """A database that answers so often, and then no more."""

    def __init__(self, live: Live, times: int) -> None:
        self._db = live.db
        self._left = times

    async def read(self, work: Any) -> Any:
        self._left -= 1
        if self._left < 0:
            raise DatabaseUnavailableError
        return await self._db.read(work)

    async def write(self, work: Any) -> Any:
        return await self._db.write(work)


def let_go_away(live: Live, monkeypatch: pytest.MonkeyPatch, *, after: int) -> None:
    monkeypatch.setattr(live.given("sockets"), "_db", _AwayAfter(live, after))


async def test_who_comes_while_the_database_is_away_shall_come_again(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    let_go_away(live, monkeypatch, after=1)
    async with live.open(CABLE, CABLE_PROTOCOL, origin=OWN_ORIGIN) as client:
        assert (await client.closed())[0] == 1013
    let_go_away(live, monkeypatch, after=0)
    async with live.open(PATH, PROTOCOL) as client:
        await client.say({"type": "connection_init"})
        assert (await client.closed())[0] == 1013


async def test_who_is_there_when_it_goes_away_shall_come_again(
    live: Live, monkeypatch: pytest.MonkeyPatch
) -> None:
    live.set_times(ping=0.01, recheck=0.01, greeting=1)
    let_go_away(live, monkeypatch, after=2)
    async with live.open(CABLE, CABLE_PROTOCOL, origin=OWN_ORIGIN) as client:
        assert await client.next() == {"type": "welcome"}
        assert (await client.next())["reason"] == "server_restart"
    let_go_away(live, monkeypatch, after=1)
    async with live.open(PATH, PROTOCOL) as client:
        await client.say({"type": "connection_init"})
        assert await client.next() == {"type": "connection_ack"}
        assert (await client.closed())[0] == 1013


async def test_a_token_without_a_scope_that_opens_anything_subscribes_to_nothing(
    live: Live,
) -> None:
    caller = await live.given("sockets").admit(live.filled.secret("token"), None)
    assert may_subscribe(caller)
    closed = replace(caller, credential=replace(caller.credential, scopes=frozenset()))
    assert not may_subscribe(closed)


async def test_that_a_token_is_used_over_a_socket_is_noted(live: Live) -> None:
    async with live.open(CABLE, CABLE_PROTOCOL, origin=OWN_ORIGIN) as client:
        await client.next()
    async with live.http() as http:
        found = (await http.get("/api/v4/personal_access_tokens/self")).json()
    assert found["last_used_at"] is not None
