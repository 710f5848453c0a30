import pytest

from appliance.accounts.usecases import get_user
from tests.appliance.conftest import Server


async def test_a_user_is_blocked_and_unblocked_by_the_real_system_s_names(server: Server) -> None:
    ada, pat = await server.new_user("ada")
    for action, state, status in (("block", "blocked", 403), ("unblock", "active", 200)):
        for _ in range(2):
            answer = await server.ask("POST", f"/api/v4/users/{ada}/{action}")
            assert (answer.status_code, answer.json()) == (201, True)
        assert (await server.ask("GET", f"/api/v4/users/{ada}")).json()["state"] == state
        assert (await server.ask("GET", "/api/v4/user", pat=pat)).status_code == status
    user = server.db.read_blocking(lambda session: get_user(session, ada))
    assert user.grant_generation == 2


async def test_the_last_admin_cannot_be_blocked(server: Server) -> None:
    answer = await server.ask("POST", "/api/v4/users/1/block")
    assert (answer.status_code, answer.json()["code"]) == (400, "last_admin")


@pytest.mark.parametrize("action", ["block", "unblock"])
async def test_only_an_admin_blocks(server: Server, action: str) -> None:
    ada, pat = await server.new_user("ada")
    answer = await server.ask("POST", f"/api/v4/users/{ada}/{action}", pat=pat)
    assert (answer.status_code, answer.json()["code"]) == (403, "admin_needed")
    answer = await server.ask("POST", f"/api/v4/users/99/{action}")
    assert answer.status_code == 404
