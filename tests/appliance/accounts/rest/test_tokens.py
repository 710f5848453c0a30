from typing import Any

import pytest
from sqlmodel import col, select

from appliance.storage.outbox import OutboxRow
from tests.appliance.conftest import Server

PATH = "/api/v4/personal_access_tokens"


def _told(server: Server) -> list[dict[str, Any]]:
    query = select(OutboxRow).where(OutboxRow.topic == "personal_access_token")
    rows = query.order_by(col(OutboxRow.sequence))
    found = server.db.read_blocking(lambda session: session.exec(rows).all())
    return [row.payload for row in found]


async def _own(server: Server, pat: str) -> dict[str, Any]:
    return dict((await server.ask("GET", f"{PATH}/self", pat=pat)).json())


async def _ids(server: Server, query: str = "", pat: str | None = None) -> list[int]:
    answer = await server.ask("GET", f"{PATH}?per_page=100{query}", pat=pat)
    assert answer.status_code == 200
    return [each["id"] for each in answer.json()]


async def test_a_user_sees_their_own_tokens_and_an_admin_all(server: Server) -> None:
    ada, pat = await server.new_user("ada")
    mine = (await _own(server, pat))["id"]
    admin_s = (await _own(server, server.filled.secret("token")))["id"]
    assert await _ids(server, pat=pat) == [mine]
    assert await _ids(server, f"&user_id={ada}", pat=pat) == [mine]
    assert await _ids(server) == [admin_s, mine]
    assert await _ids(server, f"&user_id={ada}") == [mine]
    assert (await server.ask("GET", f"{PATH}/{mine}")).json()["user_id"] == ada


async def test_another_s_tokens_are_out_of_reach(server: Server) -> None:
    _, pat = await server.new_user("ada")
    other = (await _own(server, server.filled.secret("token")))["id"]
    answer = await server.ask("GET", f"{PATH}?user_id=1", pat=pat)
    assert (answer.status_code, answer.json()["code"]) == (403, "admin_needed")
    for method in ("GET", "DELETE"):
        answer = await server.ask(method, f"{PATH}/{other}", pat=pat)
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    assert (await server.ask("GET", "/api/v4/user")).status_code == 200


@pytest.mark.parametrize("who", ["owner", "admin", "self"])
async def test_a_revoked_token_works_no_more_and_gateways_are_told(
    server: Server, who: str
) -> None:
    ada, pat = await server.new_user("ada")
    number = (await _own(server, pat))["id"]
    path = f"{PATH}/self" if who == "self" else f"{PATH}/{number}"
    answer = await server.ask("DELETE", path, pat=None if who == "admin" else pat)
    assert (answer.status_code, answer.content) == (204, b"")
    assert (await server.ask("GET", "/api/v4/user", pat=pat)).status_code == 401
    told = {"id": number, "user_id": ada}
    assert _told(server)[-2:] == [{**told, "change": "created"}, {**told, "change": "revoked"}]
    shown = (await server.ask("GET", f"{PATH}/{number}")).json()
    assert (shown["revoked"], shown["active"]) == (True, False)
    assert number in await _ids(server, "&state=inactive")
    assert number not in await _ids(server, "&state=active")


async def test_revoking_twice_is_told_once(server: Server) -> None:
    _, pat = await server.new_user("ada")
    number = (await _own(server, pat))["id"]
    for _ in range(2):
        assert (await server.ask("DELETE", f"{PATH}/{number}")).status_code == 204
    assert [each["change"] for each in _told(server)].count("revoked") == 1
    events = (await server.ask("GET", "/api/v4/audit_events")).json()
    revoked = [each for each in events if "access_token_revoked" in str(each)]
    assert len(revoked) == 1
    assert pat not in str(events)


async def test_an_expired_token_is_inactive(server: Server) -> None:
    _, pat = await server.new_user("ada")
    number = (await _own(server, pat))["id"]
    # The admin's own expires with it, so it is looked up before.
    assert number in await _ids(server, "&state=active")
    server.clock.advance(days=364)
    assert number in await _ids(server, "&state=active")


@pytest.mark.parametrize("number", ["0", "99999", str(2**31), str(10**30)])
async def test_a_number_without_a_token_is_not_found(server: Server, number: str) -> None:
    for method in ("GET", "DELETE"):
        answer = await server.ask(method, f"{PATH}/{number}")
        assert answer.status_code == 404


async def test_reading_tokens_does_not_allow_to_revoke_them(server: Server) -> None:
    _, pat = await server.new_user("ada", "read_api")
    number = (await _own(server, pat))["id"]
    assert await _ids(server, pat=pat) == [number]
    answer = await server.ask("DELETE", f"{PATH}/{number}", pat=pat)
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    # With the token itself it may: whoever found it can only end it.
    assert (await server.ask("DELETE", f"{PATH}/self", pat=pat)).status_code == 204


async def test_a_state_that_there_is_not_is_refused(server: Server) -> None:
    answer = await server.ask("GET", f"{PATH}?state=gone")
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_fields")
