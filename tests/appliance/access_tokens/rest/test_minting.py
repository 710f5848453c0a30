from datetime import timedelta
from typing import Any

import jwt
import pytest
from structlog.testing import capture_logs

from appliance.audit.rules import SYSTEM
from appliance.licensing.usecases import note_time, reset_clock
from appliance.storage.engine import Session
from tests.appliance.conftest import Server
from tests.appliance.explanations.builders import buy
from tests.instance_builders import NOW

PATH = "/api/v4/ai/access_tokens"


async def test_a_clock_that_went_back_ends_minting_and_nothing_else(server: Server) -> None:
    later = NOW + timedelta(hours=1)
    server.db.write_blocking(lambda session: note_time(session, now=later))
    answer = await server.ask("POST", PATH)
    assert (answer.status_code, answer.json()["code"]) == (503, "clock_went_back")
    assert "casemate clock accept" in answer.json()["message"]
    assert (await server.ask("GET", "/api/v4/user")).status_code == 200
    assert (await server.ask("POST", "/api/v4/ai/signing_keys/rotate", json={})).status_code == 201
    server.db.write_blocking(lambda session: reset_clock(session, actor=SYSTEM, now=NOW))
    assert (await server.ask("POST", PATH)).status_code == 201


async def test_the_clock_is_noted_at_the_start(server: Server) -> None:
    server.clock.advance(seconds=-10)
    assert (await server.ask("POST", PATH)).status_code == 201
    server.clock.advance(seconds=-1)
    answer = await server.ask("POST", PATH)
    assert (answer.status_code, answer.json()["code"]) == (503, "clock_went_back")


def _buy_for_all(server: Server) -> None:
    def buy_both(session: Session) -> None:
        for add_on in ("duo_core", "duo_self_hosted"):
            buy(session, add_on)

    server.db.write_blocking(buy_both)


def _claims(minted: dict[str, Any]) -> dict[str, Any]:
    return dict(jwt.decode(minted["token"], options={"verify_signature": False}))


async def test_a_narrower_token_opens_less_and_ends_sooner(server: Server) -> None:
    _buy_for_all(server)
    full = _claims((await server.ask("POST", PATH)).json())
    assert {"duo_chat", "complete_code"} <= set(full["scopes"])
    with capture_logs() as lines:
        answer = await server.ask("POST", PATH, json={"scopes": ["duo_chat"], "expires_in": 60})
    claims = _claims(answer.json())
    assert (claims["scopes"], claims["exp"] - claims["iat"]) == (["duo_chat"], 60)
    assert claims["providers"] == full["providers"]
    (line,) = (each for each in lines if each["event"] == "narrow_access_token_minted")
    assert (line["scopes"], line["life_s"]) == (["duo_chat"], 60)


async def test_a_narrower_token_is_never_wider_than_the_grant(server: Server) -> None:
    body = {"scopes": ["duo_chat", "no_such_thing", "*"], "expires_in": 900}
    assert _claims((await server.ask("POST", PATH, json=body)).json())["scopes"] == []
    _buy_for_all(server)
    assert _claims((await server.ask("POST", PATH, json=body)).json())["scopes"] == ["duo_chat"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"scopes": []}, "scopes"),
        ({"scopes": "duo_chat"}, "scopes"),
        ({"scopes": [1]}, "scopes"),
        ({"scopes": [str(each) for each in range(101)]}, "scopes"),
        ({"expires_in": 0}, "expires_in"),
        ({"expires_in": 901}, "expires_in"),
        ({"expires_in": "60"}, "expires_in"),
        ({"scopes": ["duo_chat"], "namespace_id": 1, "project_id": 1}, "namespace_id"),
    ],
)
async def test_a_narrower_token_that_is_none_is_a_400(
    server: Server, body: dict[str, Any], field: str
) -> None:
    answer = await server.ask("POST", PATH, json=body)
    assert answer.status_code == 400
    assert any(each.startswith(field) for each in answer.json()["errors"])
