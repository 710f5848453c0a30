import pytest

from tests.appliance.conftest import Server


async def test_a_token_tells_whose_it_is_through_both_headers(server: Server) -> None:
    pat = server.filled.secret("token")
    for headers in ({"PRIVATE-TOKEN": pat}, {"Authorization": f"Bearer {pat}"}):
        answer = await server.ask("GET", "/api/v4/user", pat="", headers=headers)
        assert answer.status_code == 200
        assert answer.json()["username"] == "admin"
        assert answer.json()["web_url"] == "http://127.0.0.1:8080/admin"


@pytest.mark.parametrize("pat", ["", "nonsense", "casemate-pat-" + "a" * 40])
async def test_without_a_good_token_it_is_401(server: Server, pat: str) -> None:
    answer = await server.ask("GET", "/api/v4/user", pat=pat)
    assert answer.status_code == 401
    assert answer.json() == {"message": "401 Unauthorized", "code": "unauthorized"}
    assert answer.headers["www-authenticate"] == "Bearer"


async def test_a_token_tells_what_it_is_for(server: Server) -> None:
    _, pat = await server.new_user("ada", "ai_features", "read_api")
    answer = await server.ask("GET", "/api/v4/personal_access_tokens/self", pat=pat)
    told = answer.json()
    assert told["scopes"] == ["ai_features", "read_api"]
    assert (told["active"], told["revoked"], told["expires_at"]) == (True, False, "2027-11-21")
    assert "token" not in told


async def test_use_is_noted_every_few_minutes_only(server: Server) -> None:
    path = "/api/v4/personal_access_tokens/self"
    await server.ask("GET", path)
    first = (await server.ask("GET", path)).json()["last_used_at"]
    server.clock.advance(minutes=4)
    await server.ask("GET", path)
    assert (await server.ask("GET", path)).json()["last_used_at"] == first
    server.clock.advance(minutes=2)
    await server.ask("GET", path)
    assert (await server.ask("GET", path)).json()["last_used_at"] > first


async def test_an_expired_token_is_401(server: Server) -> None:
    server.clock.advance(days=366)
    assert (await server.ask("GET", "/api/v4/user")).status_code == 401


@pytest.mark.parametrize(
    ("scope", "method", "path", "status"),
    [
        ("read_api", "GET", "/api/v4/users", 200),
        ("read_api", "POST", "/api/v4/users", 403),
        ("read_api", "POST", "/api/v4/ai/access_tokens", 403),
        ("ai_features", "GET", "/api/v4/users", 403),
        ("ai_features", "GET", "/api/v4/user", 200),
        ("ai_features", "GET", "/api/v4/version", 200),
        ("ai_features", "POST", "/api/v4/ai/access_tokens", 201),
        ("api", "GET", "/api/v4/users", 200),
    ],
)
async def test_a_scope_decides_what_a_token_opens(
    server: Server, scope: str, method: str, path: str, status: int
) -> None:
    _, pat = await server.new_user("ada", scope, admin=True)
    answer = await server.ask(method, path, pat=pat)
    assert answer.status_code == status
    if status == 403:
        assert answer.json()["code"] == "insufficient_scope"


async def test_users_are_for_admins(server: Server) -> None:
    number, pat = await server.new_user("ada")
    for method, path in (
        ("GET", "/api/v4/users"),
        ("POST", "/api/v4/users"),
        ("GET", f"/api/v4/users/{number}"),
        ("PUT", f"/api/v4/users/{number}"),
        ("DELETE", f"/api/v4/users/{number}"),
        ("POST", f"/api/v4/users/{number}/personal_access_tokens"),
    ):
        answer = await server.ask(method, path, pat=pat)
        assert (answer.status_code, answer.json()["code"]) == (403, "admin_needed")


async def test_users_are_listed_in_pages(server: Server) -> None:
    for name in ("ada", "bob", "cyd"):
        await server.new_user(name)
    answer = await server.ask("GET", "/api/v4/users?page=2&per_page=2")
    assert [user["username"] for user in answer.json()] == ["bob", "cyd"]
    assert (answer.headers["x-total"], answer.headers["x-total-pages"]) == ("4", "2")
    assert answer.headers["x-prev-page"] == "1"
    assert 'rel="first"' in answer.headers["link"]


@pytest.mark.parametrize(("name", "found"), [("ADA", 1), ("nobody", 0), ("%00", 0)])
async def test_a_user_is_found_by_name_whatever_its_case(
    server: Server, name: str, found: int
) -> None:
    await server.new_user("ada")
    answer = await server.ask("GET", f"/api/v4/users?username={name}")
    assert len(answer.json()) == found


async def test_a_user_is_made_changed_and_removed(server: Server) -> None:
    number, pat = await server.new_user("ada")
    path = f"/api/v4/users/{number}"
    body = {"username": "Ada2", "name": "Ada", "email": "a@b", "password": "x" * 12}
    changed = await server.ask("PUT", path, json=body)
    assert (changed.status_code, changed.json()["username"]) == (200, "Ada2")
    assert (await server.ask("GET", path)).json() == changed.json()
    assert (await server.ask("DELETE", path)).status_code == 204
    assert (await server.ask("GET", path)).status_code == 404
    assert (await server.ask("GET", "/api/v4/user", pat=pat)).status_code == 401


async def test_a_blocked_user_is_403_and_back_when_unblocked(server: Server) -> None:
    number, pat = await server.new_user("ada")
    path = f"/api/v4/users/{number}"
    await server.ask("PUT", path, json={"state": "blocked"})
    refused = await server.ask("POST", "/api/v4/ai/access_tokens", pat=pat)
    assert (refused.status_code, refused.json()["code"]) == (403, "user_blocked")
    await server.ask("PUT", path, json={"state": "active"})
    assert (await server.ask("GET", "/api/v4/user", pat=pat)).status_code == 200


@pytest.mark.parametrize("number", ["0", "99", "99999999999999999999999"])
async def test_an_unknown_user_is_404(server: Server, number: str) -> None:
    answer = await server.ask("GET", f"/api/v4/users/{number}")
    assert answer.status_code == 404
    assert answer.json() == {"message": "404 User Not Found", "code": "not_found"}


@pytest.mark.parametrize("field", ["username", "email"])
async def test_a_name_or_address_belongs_to_one_user(server: Server, field: str) -> None:
    body = {"username": "ada", "name": "Ada", "email": "ada@example.org"}
    taken = {"username": "ADMIN", "email": "Admin@example.org"}[field]
    answer = await server.ask("POST", "/api/v4/users", json={**body, field: taken})
    assert (answer.status_code, answer.json()["code"]) == (409, "already_taken")


async def test_the_last_active_admin_stays(server: Server) -> None:
    me = (await server.ask("GET", "/api/v4/user")).json()["id"]
    path = f"/api/v4/users/{me}"
    for method, body in (
        ("PUT", {"admin": False}),
        ("PUT", {"state": "blocked"}),
        ("DELETE", None),
    ):
        answer = await server.ask(method, path, json=body)
        assert (answer.status_code, answer.json()["code"]) == (400, "last_admin")
    await server.new_user("ada", admin=True)
    assert (await server.ask("PUT", path, json={"admin": False})).status_code == 200


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({}, {"username", "name", "email"}),
        ({"username": 5, "name": True, "email": []}, {"username", "name", "email"}),
        ({"username": "a", "name": "n", "email": "e@f", "colour": "red"}, {"colour"}),
        ({"username": "a", "name": "n", "email": "e@f", "admin": "yes"}, {"admin"}),
        ({"username": "a", "name": "n", "email": "e@f", "state": "asleep"}, {"state"}),
        ({"username": "a", "name": "n", "email": "e@f", "password": "short"}, {"password"}),
    ],
)
async def test_bad_input_is_400_with_a_message_for_each_field(
    server: Server, body: dict[str, object], fields: set[str]
) -> None:
    answer = await server.ask("POST", "/api/v4/users", json=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_fields")
    assert set(answer.json()["errors"]) == fields


@pytest.mark.parametrize(
    "wish",
    [
        {"name": "n", "scopes": []},
        {"name": "n", "scopes": ["sudo"]},
        {"name": "n", "scopes": ["api"], "expires_at": "2026-11-21"},
        {"name": "n", "scopes": ["api"], "expires_at": "never"},
        {"scopes": ["api"]},
    ],
)
async def test_a_bad_wish_for_a_token_is_400(server: Server, wish: dict[str, object]) -> None:
    path = "/api/v4/users/1/personal_access_tokens"
    assert (await server.ask("POST", path, json=wish)).status_code == 400


async def test_a_token_is_for_a_user_there_is(server: Server) -> None:
    wish = {"name": "n", "scopes": ["api"], "expires_at": "2026-12-01"}
    path = "/api/v4/users/{}/personal_access_tokens"
    assert (await server.ask("POST", path.format(99), json=wish)).status_code == 404
    made = await server.ask("POST", path.format(1), json=wish)
    assert (made.status_code, made.json()["expires_at"]) == (201, "2026-12-01")
