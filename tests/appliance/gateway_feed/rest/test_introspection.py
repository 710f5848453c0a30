from datetime import timedelta
from typing import Any

import pytest
from httpx import Response

from appliance.errors import InvalidFieldsError
from appliance.gateway_feed.rest.introspection import parse_form
from gateway.contract.claims import Claims
from gateway.contract.introspection import INTROSPECTION_PATH
from tests.appliance.conftest import Server

NOTHING = {"active": False}


async def _ask(server: Server, pat: str | None, **fields: str) -> Response:
    text = server.filled.keys.assertion(server.filled.instance_id, now=server.clock.now)
    form = {**({} if pat is None else {"token": pat}), **fields}
    return await server.ask(
        "POST",
        INTROSPECTION_PATH,
        pat="",
        headers={"Authorization": f"Bearer {text}"},
        data=form,
    )


async def test_a_token_of_the_ai_features_alone_opens_what_a_minted_one_would(
    server: Server,
) -> None:
    _, pat = await server.new_user("ada", "ai_features")
    minted = await server.ask("POST", "/api/v4/ai/access_tokens", pat=pat)
    answer = await _ask(server, pat)
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    found = answer.json()
    assert found.pop("active") is True
    assert set(found) <= set(Claims.__struct_fields__)
    at = int(server.clock.now.timestamp())
    assert (found["use"], found["iat"], found["exp"]) == ("direct", at, at + 30)
    assert found["sub"] == minted.json()["headers"]["X-Gitlab-Global-User-Id"]
    own = await server.ask("GET", "/api/v4/personal_access_tokens/self", pat=pat)
    assert found["cred"] == f"pat:{own.json()['id']}"


@pytest.mark.parametrize("scopes", [("api",), ("ai_features", "api"), ("read_api",)])
async def test_a_token_that_opens_more_opens_nothing_there(
    server: Server, scopes: tuple[str, ...]
) -> None:
    _, pat = await server.new_user("ada", *scopes)
    assert (await _ask(server, pat)).json() == NOTHING


async def test_a_blocked_user_s_token_opens_nothing(server: Server) -> None:
    user_id, pat = await server.new_user("ada", "ai_features")
    await server.ask("PUT", f"/api/v4/users/{user_id}", json={"state": "blocked"})
    assert (await _ask(server, pat)).json() == NOTHING


async def test_an_answer_is_not_good_for_longer_than_its_token(server: Server) -> None:
    _, pat = await server.new_user("ada", "ai_features")
    # It is good for a year, and that day is the first without it.
    ends_at = server.clock.now.replace(hour=0) + timedelta(days=365)
    server.clock.now = ends_at - timedelta(seconds=10)
    assert (await _ask(server, pat)).json()["exp"] == int(ends_at.timestamp())
    server.clock.now = ends_at
    assert (await _ask(server, pat)).json() == NOTHING


@pytest.mark.parametrize("pat", ["x", "casemate-pat-" + "a" * 40, "é"])
async def test_what_is_no_token_opens_nothing(server: Server, pat: str) -> None:
    assert (await _ask(server, pat)).json() == NOTHING


async def test_a_group_that_the_user_is_in_may_be_asked_for_and_no_other(server: Server) -> None:
    user_id, pat = await server.new_user("ada", "ai_features")
    made = await server.ask("POST", "/api/v4/groups", json={"name": "Alpha", "path": "alpha"})
    group = made.json()["id"]
    assert (await _ask(server, pat, namespace_id=str(group))).json() == NOTHING
    await server.ask(
        "POST", f"/api/v4/groups/{group}/members", json={"user_id": user_id, "access_level": 30}
    )
    found = (await _ask(server, pat, namespace_id=str(group))).json()
    assert (found["active"], found["ns"]) == (True, group)
    for other in ("0", "-1", "x", "9" * 30, "٣", "12345"):
        assert (await _ask(server, pat, namespace_id=other)).json() == NOTHING


async def test_the_use_of_a_token_is_noted(server: Server) -> None:
    _, pat = await server.new_user("ada", "ai_features")
    await _ask(server, pat)
    own = await server.ask("GET", "/api/v4/personal_access_tokens/self", pat=pat)
    assert own.json()["last_used_at"] is not None


async def test_a_form_without_a_token_is_refused(server: Server) -> None:
    assert (await _ask(server, None)).status_code == 400
    assert (await _ask(server, None, namespace_id="1")).status_code == 400


@pytest.mark.parametrize(
    "body", [b"", b"token", b"token=", b"token=a&token=b", b"a=b", b"\xff=1", b"t=1&" * 20]
)
def test_what_is_no_such_form_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidFieldsError):
        parse_form(body)


def test_a_form_is_read() -> None:
    assert parse_form(b"token=a%2Bb&namespace_id=3") == {"token": "a+b", "namespace_id": "3"}


async def test_only_a_gateway_may_ask(server: Server) -> None:
    _, pat = await server.new_user("ada", "ai_features")
    body: dict[str, Any] = {"data": {"token": pat}}
    for asker in ("", None, pat):
        answer = await server.ask("POST", INTROSPECTION_PATH, pat=asker, **body)
        assert answer.status_code == 401
