from typing import Any

import jwt
from jwt.types import Options

from tests.appliance.conftest import Server

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
    assert (claims["use"], claims["providers"]) == ("direct", ["shm"])
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
