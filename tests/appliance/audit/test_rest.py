import pytest
from sqlmodel import text

from appliance.audit.rules import GENESIS
from appliance.storage.engine import Session
from tests.appliance.conftest import Server

PATH = "/api/v4/audit_events"


async def test_the_log_is_shown_in_gitlab_s_shape_newest_first(server: Server) -> None:
    number, _ = await server.new_user("ada")
    answer = await server.ask("GET", f"{PATH}?per_page=2")
    token, user = answer.json()
    assert (token["event_name"], user["event_name"]) == ("access_token_created", "user_created")
    assert (user["author_name"], user["author_id"]) == ("admin", 1)
    assert (user["entity_type"], user["entity_id"]) == ("user", str(number))
    assert user["details"] == {"username": "ada", "is_admin": False, "state": "active"}
    assert int(answer.headers["x-total"]) == token["id"]


async def test_the_log_begins_with_the_set_up(server: Server) -> None:
    events = (await server.ask("GET", f"{PATH}?per_page=100")).json()
    assert {event["author_id"] for event in events} == {-1}
    names = [event["event_name"] for event in reversed(events)]
    made = ["user_created", "access_token_created", "gateway_registered", "model_created"]
    assert names[:4] == made
    assert set(names[4:]) == {"feature_setting_changed"}


async def test_the_log_is_filtered_by_action_and_time(server: Server) -> None:
    server.clock.advance(hours=1)
    await server.new_user("ada")
    for query, found in (
        ("action=user_created", 2),
        ("action=nothing", 0),
        ("created_after=2026-11-21T12:30:00Z", 2),
        ("created_after=2026-11-21T12:30:00", 2),
        ("created_before=2026-11-21T12:30:00Z&action=user_created", 1),
    ):
        assert len((await server.ask("GET", f"{PATH}?{query}")).json()) == found, query
    assert (await server.ask("GET", f"{PATH}?created_after=soon")).status_code == 400


async def test_the_log_is_verified_and_a_changed_entry_named(server: Server) -> None:
    path = f"{PATH}/verification"
    verdict = (await server.ask("GET", path)).json()
    count = len((await server.ask("GET", f"{PATH}?per_page=100")).json())
    assert (verdict["intact"], verdict["entries"], verdict["first_bad"]) == (True, count, None)
    assert verdict["head"] != GENESIS.digest

    def forge(session: Session) -> None:
        session.execute(text("UPDATE audit_events SET actor_name = 'x' WHERE sequence = 2"))

    await server.db.write(forge)
    verdict = (await server.ask("GET", path)).json()
    assert (verdict["intact"], verdict["first_bad"]) == (False, 2)
    assert verdict["reason"] == "Entry 2 is not as it was written."


@pytest.mark.parametrize("path", [PATH, f"{PATH}/verification"])
async def test_the_log_is_for_admins(server: Server, path: str) -> None:
    _, pat = await server.new_user("ada")
    assert (await server.ask("GET", path, pat=pat)).json()["code"] == "admin_needed"


async def test_a_refused_change_is_told_once_a_minute_for_each_route(server: Server) -> None:
    number, pat = await server.new_user("ada")

    async def refusals() -> list[tuple[int, str, str]]:
        events = (await server.ask("GET", f"{PATH}?action=request_refused")).json()
        return [(e["author_id"], e["entity_id"], e["details"]["code"]) for e in events]

    await server.ask("GET", "/api/v4/users", pat=pat)
    await server.ask("POST", "/api/v4/users", pat="nonsense")
    assert await refusals() == []
    for _ in range(3):
        await server.ask("DELETE", "/api/v4/users/1", pat=pat)
        await server.ask("DELETE", "/api/v4/users/2", pat=pat)
    assert await refusals() == [(number, "DELETE /api/v4/users/{user_id}", "admin_needed")]
    await server.ask("POST", "/api/v4/users", pat=pat)
    server.clock.advance(minutes=1)
    await server.ask("DELETE", "/api/v4/users/1", pat=pat)
    assert len(await refusals()) == 3
