from datetime import timedelta

from appliance.audit.rules import SYSTEM
from appliance.licensing.usecases import note_time, reset_clock
from tests.appliance.conftest import Server
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
