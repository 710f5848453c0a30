from datetime import timedelta
from typing import Any

import jwt
import pytest
from jwt.types import Options

from appliance.accounts.usecases import get_user_named
from appliance.audit.rules import SYSTEM
from appliance.feature_flags.usecases import set_flag
from appliance.licensing.usecases import give_seats
from appliance.namespaces.rules import AccessLevel, Membership, NewGroup
from appliance.namespaces.usecases import create_group, set_member
from appliance.storage.engine import Session
from tests.appliance.conftest import Server
from tests.appliance.explanations.builders import buy
from tests.instance_builders import NOW

PATH = "/api/v4/ai/access_tokens"
KEYS = "/oauth/discovery/keys"


async def _decoded(server: Server, token: str) -> dict[str, Any]:
    keys = jwt.PyJWKSet.from_dict((await server.ask("GET", KEYS, pat="")).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    options: Options = {"verify_exp": False, "verify_nbf": False, "verify_iat": False}
    return jwt.decode(
        token, key, algorithms=["RS256"], audience="gitlab-ai-gateway", options=options
    )


async def test_a_minted_token_verifies_with_the_published_keys(server: Server) -> None:
    answer = await server.ask("POST", PATH)
    minted = answer.json()
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    assert minted["base_url"] == "http://127.0.0.1:5052"
    assert minted["expires_at"] == int(server.clock.now.timestamp()) + 900
    claims = await _decoded(server, minted["token"])
    assert claims["iss"] == "http://127.0.0.1:8080"
    assert (claims["use"], claims["gitlab_realm"]) == ("direct", "self-managed")
    assert claims["exp"] == minted["expires_at"]


async def test_the_headers_say_what_the_claims_say(server: Server) -> None:
    minted = (await server.ask("POST", PATH)).json()
    claims, headers = await _decoded(server, minted["token"]), minted["headers"]
    assert headers["X-Gitlab-Authentication-Type"] == "oidc"
    assert headers["X-Gitlab-Global-User-Id"] == claims["sub"]
    assert headers["X-Gitlab-Instance-Id"] == claims["gitlab_instance_id"]
    assert headers["X-Gitlab-Realm"] == claims["gitlab_realm"]
    assert headers["X-Gitlab-Host-Name"] == "127.0.0.1"
    assert headers["X-Gitlab-Version"]


async def test_two_users_have_two_names_and_tokens_never_repeat(server: Server) -> None:
    _, pat = await server.new_user("ada", "ai_features")
    mine = [(await server.ask("POST", PATH)).json()["token"] for _ in range(2)]
    hers = (await server.ask("POST", PATH, pat=pat)).json()["token"]
    told = [await _decoded(server, token) for token in (*mine, hers)]
    assert told[0]["jti"] != told[1]["jti"]
    assert told[0]["sub"] == told[1]["sub"] != told[2]["sub"]
    assert told[0]["cred"] != told[2]["cred"]


async def test_a_change_of_role_shows_in_the_next_token(server: Server) -> None:
    number, pat = await server.new_user("ada")
    await server.ask("PUT", f"/api/v4/users/{number}", json={"admin": True})
    minted = (await server.ask("POST", PATH, pat=pat)).json()
    assert (await _decoded(server, minted["token"]))["gen"] == 1


async def test_keys_and_discovery_are_public_and_cached_for_a_minute(server: Server) -> None:
    for path in (KEYS, "/.well-known/openid-configuration"):
        answer = await server.ask("GET", path, pat="")
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("application/json")
        assert answer.headers["cache-control"] == "public, max-age=60"
        held = {"If-None-Match": answer.headers["etag"]}
        again = await server.ask("GET", path, pat="", headers=held)
        assert (again.status_code, again.content) == (304, b"")
        assert again.headers["etag"] == answer.headers["etag"]


async def test_discovery_names_the_issuer_of_the_tokens(server: Server) -> None:
    document = (await server.ask("GET", "/.well-known/openid-configuration", pat="")).json()
    minted = (await server.ask("POST", PATH)).json()
    assert (await _decoded(server, minted["token"]))["iss"] == document["issuer"]


async def _mint(server: Server, *, pat: str | None = None, **rest: Any) -> dict[str, Any]:
    answer = await server.ask("POST", PATH, pat=pat, **rest)
    assert answer.status_code == 201, answer.text
    return await _decoded(server, answer.json()["token"])


def _buy(server: Server, add_on: str, *, root: int | None = None) -> int:
    return server.db.write_blocking(lambda session: buy(session, add_on, root_namespace_id=root))


def _seat(server: Server, purchase_id: int, user_id: int) -> None:
    server.db.write_blocking(
        lambda session: give_seats(
            session, purchase_id, [user_id], actor=SYSTEM, given_by=None, now=NOW
        )
    )


def _group(server: Server, path: str, *members: int) -> int:
    def make(session: Session) -> int:
        admin = get_user_named(session, "admin")
        new = NewGroup(name=path, path=path)
        group = create_group(session, new, caller_user=admin, now=NOW)
        for user_id in members:
            member = Membership(
                user_id=user_id, namespace_id=group.id, access_level=AccessLevel.DEVELOPER
            )
            set_member(session, member, caller_user=admin, now=NOW)
        return group.id

    return server.db.write_blocking(make)


async def test_who_is_granted_nothing_gets_a_token_that_opens_nothing(server: Server) -> None:
    claims = await _mint(server)
    assert (claims["scopes"], claims["providers"]) == ([], [])
    assert "ai_global_switch" in claims["flags"]


async def test_a_seat_opens_features_and_a_purchase_entitles(server: Server) -> None:
    number, pat = await server.new_user("ada", "ai_features")
    _seat(server, _buy(server, "duo_pro"), number)
    _buy(server, "duo_self_hosted")
    claims = await _mint(server, pat=pat)
    assert "duo_chat" in claims["scopes"]
    assert {"duo", "shm"} <= set(claims["providers"])
    other = await _mint(server)
    assert "duo_chat" not in other["scopes"]
    assert "shm" in other["providers"]


async def test_a_flag_takes_its_scopes_at_once(server: Server) -> None:
    _buy(server, "duo_core")
    assert "duo_chat" in (await _mint(server))["scopes"]
    server.db.write_blocking(
        lambda session: set_flag(session, "ai_duo_chat_switch", value=False, actor=SYSTEM, now=NOW)
    )
    claims = await _mint(server)
    assert "duo_chat" not in claims["scopes"]
    assert "complete_code" in claims["scopes"]


async def test_a_token_names_the_flags_that_the_gateway_asks_for(server: Server) -> None:
    for_all = {"ai_global_switch", "ai_model_switching"}
    assert set((await _mint(server))["flags"]) == for_all
    _, pat = await server.new_user("ada", "ai_features")
    body = {"value": True, "user": "ada"}
    await server.ask("POST", "/api/v4/features/new_prompt_template", json=body)
    assert set((await _mint(server, pat=pat))["flags"]) == {*for_all, "new_prompt_template"}
    assert set((await _mint(server))["flags"]) == for_all


@pytest.mark.parametrize("rest", [{}, {"content": b""}, {"content": b" \n"}])
@pytest.mark.parametrize("kind", ["application/json", "text/plain", None])
async def test_a_token_needs_no_body(server: Server, rest: dict[str, Any], kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    claims = await _mint(server, headers=headers, **rest)
    assert "ns" not in claims or claims["ns"] is None


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"{}", "namespace_id"),
        (b'{"namespace_id": 1, "project_id": 1}', "namespace_id"),
        (b'{"namespace_id": "1"}', "namespace_id"),
        (b'{"namespace_id": null}', "namespace_id"),
        (b'{"group": 1}', "group"),
        (b"[]", "body"),
        (b"\xff", "body"),
    ],
)
async def test_a_wish_that_cannot_be_read_is_a_400(server: Server, body: bytes, field: str) -> None:
    answer = await server.ask("POST", PATH, content=body)
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_fields")
    assert field in answer.json()["errors"]


async def test_a_token_is_for_the_group_that_was_asked_for(server: Server) -> None:
    number, pat = await server.new_user("ada", "ai_features")
    first, second = (_group(server, path, number) for path in ("first", "second"))
    for group_id in (first, second):
        answer = await server.ask("POST", PATH, pat=pat, json={"namespace_id": group_id})
        claims = await _decoded(server, answer.json()["token"])
        assert (claims["ns"], claims["root_ns"]) == (group_id, group_id)
        assert answer.json()["headers"]["X-Gitlab-Namespace-Id"] == str(group_id)
    assert (await _mint(server, pat=pat)).get("ns") is None


async def test_the_only_group_of_a_user_is_the_default(server: Server) -> None:
    number, pat = await server.new_user("ada", "ai_features")
    group_id = _group(server, "lab", number)
    assert (await _mint(server, pat=pat))["ns"] == group_id


async def test_a_group_of_others_is_not_found(server: Server) -> None:
    _, pat = await server.new_user("ada", "ai_features")
    group_id = _group(server, "lab")
    for wanted in (group_id, 999_999, -1, 2**40):
        answer = await server.ask("POST", PATH, pat=pat, json={"namespace_id": wanted})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")
    answer = await server.ask("POST", PATH, pat=pat, json={"project_id": 999_999})
    assert answer.status_code == 404


async def test_a_token_for_a_project_is_for_its_group(server: Server) -> None:
    number, pat = await server.new_user("ada", "ai_features")
    own, others = _group(server, "lab", number), _group(server, "others")
    _group(server, "second", number)
    numbers = []
    for group_id in (own, others):
        wish = {"name": "Test", "namespace_id": group_id, "visibility": "private"}
        numbers.append((await server.ask("POST", "/api/v4/projects", json=wish)).json()["id"])
    assert (await _mint(server, pat=pat, json={"project_id": numbers[0]}))["ns"] == own
    for wanted in (numbers[1], 999_999, -1):
        answer = await server.ask("POST", PATH, pat=pat, json={"project_id": wanted})
        assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


async def test_a_seat_in_one_tenant_opens_nothing_in_another(server: Server) -> None:
    number, pat = await server.new_user("ada", "ai_features")
    first, second = (_group(server, path, number) for path in ("first", "second"))
    _seat(server, _buy(server, "duo_pro", root=first), number)
    opened = await _mint(server, pat=pat, json={"namespace_id": first})
    assert (opened["gitlab_realm"], "duo_chat" in opened["scopes"]) == ("saas", True)
    for wish in ({"json": {"namespace_id": second}}, {}):
        claims = await _mint(server, pat=pat, **wish)
        assert (claims["scopes"], claims["providers"]) == ([], [])


async def test_a_token_ends_when_what_was_bought_ends(server: Server) -> None:
    ends: dict[str, Any] = {
        "ends_at": NOW + timedelta(seconds=30),
        "grace_ends_at": NOW + timedelta(seconds=60),
    }
    server.db.write_blocking(lambda session: buy(session, "duo_core", **ends))
    answer = await server.ask("POST", PATH)
    assert answer.json()["expires_at"] == int(NOW.timestamp()) + 60
    claims = await _decoded(server, answer.json()["token"])
    assert claims["exp"] == answer.json()["expires_at"]
