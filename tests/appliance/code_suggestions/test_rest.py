from typing import Any

import jwt
import pytest
from httpx import Response

from appliance.audit.rules import SYSTEM
from appliance.licensing.usecases import give_seats
from tests.appliance.conftest import Server
from tests.appliance.explanations.builders import buy
from tests.instance_builders import NOW

PATH = "/api/v4/code_suggestions"
AGENTS = "/api/v4/ai/third_party_agents/direct_access"


def _claims(answer: Response) -> dict[str, Any]:
    found: dict[str, Any] = jwt.decode(answer.json()["token"], options={"verify_signature": False})
    return found


async def _seat(server: Server, add_on: str, *, group: int | None = None) -> str:
    number, pat = await server.new_user("ada", "ai_features")
    if group is not None:
        member = {"user_id": number, "access_level": 30}
        await server.ask("POST", f"/api/v4/groups/{group}/members", json=member)

    def give(session: Any) -> None:
        purchase = buy(session, add_on, root_namespace_id=group)
        give_seats(session, purchase, [number], actor=SYSTEM, given_by=None, now=NOW)

    server.db.write_blocking(give)
    return pat


async def test_an_editor_gets_a_token_for_an_hour_of_completions(server: Server) -> None:
    pat = await _seat(server, "duo_pro")
    answer = await server.ask("POST", f"{PATH}/direct_access", pat=pat)
    assert (answer.status_code, answer.headers["cache-control"]) == (201, "no-store")
    body, claims = answer.json(), _claims(answer)
    assert set(body) == {"base_url", "token", "expires_at", "headers"}
    assert body["expires_at"] == claims["exp"] == int(NOW.timestamp()) + 3600
    # What a seat opens besides, chat for one, is not for this token.
    assert set(claims["scopes"]) == {"complete_code", "ai_gateway_model_provider_proxy"}
    assert body["headers"]["X-Gitlab-Authentication-Type"] == "oidc"
    assert body["headers"]["X-Gitlab-Model-Prompt-Cache-Enabled"] == "true"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"of_a_later_editor": 1}', b"\xff"])
async def test_what_an_editor_sends_along_means_nothing(server: Server, body: bytes) -> None:
    pat = await _seat(server, "duo_pro")
    for path in (f"{PATH}/direct_access", f"{PATH}/connection_details"):
        headers = {"content-type": "application/json"}
        answer = await server.ask("POST", path, pat=pat, content=body, headers=headers)
        assert answer.status_code == 201


async def test_an_agent_gets_a_token_for_the_proxy_alone(server: Server) -> None:
    pat = await _seat(server, "duo_enterprise")
    answer = await server.ask("POST", AGENTS, pat=pat, json={"feature_flags": {"x": True}})
    assert answer.status_code == 201
    assert _claims(answer)["scopes"] == ["ai_gateway_model_provider_proxy"]
    named = answer.json()["headers"]["X-Gitlab-Unit-Primitive"]
    assert named == "ai_gateway_model_provider_proxy"


async def test_flags_are_handed_on_as_they_are_for_who_asks(server: Server) -> None:
    pat = await _seat(server, "duo_enterprise")
    paths = (f"{PATH}/direct_access", AGENTS, "/api/v4/ai/access_tokens")
    for value, flags in (
        (True, "ai_global_switch,ai_model_switching,new_prompt_template"),
        (False, "ai_global_switch,ai_model_switching"),
    ):
        body = {"value": value, "user": "ada"}
        await server.ask("POST", "/api/v4/features/new_prompt_template", json=body)
        for path in paths:
            answer = await server.ask("POST", path, pat=pat)
            assert answer.json()["headers"]["X-Gitlab-Enabled-Feature-Flags"] == flags
            assert ",".join(sorted(_claims(answer)["flags"])) == flags


async def test_who_has_no_seat_gets_no_direct_access(server: Server) -> None:
    _, pat = await server.new_user("ada", "ai_features")
    for path in (f"{PATH}/direct_access", f"{PATH}/connection_details"):
        answer = await server.ask("POST", path, pat=pat)
        assert (answer.status_code, answer.json()["code"]) == (
            403,
            "code_suggestions_not_granted",
        )
    answer = await server.ask("POST", AGENTS, pat=pat)
    assert (answer.status_code, answer.json()["code"]) == (403, "model_proxy_not_granted")
    assert (await server.ask("POST", AGENTS, pat="")).status_code == 401


async def test_a_token_of_the_reading_kind_is_not_enough(server: Server) -> None:
    _, pat = await server.new_user("ada", "read_api")
    answer = await server.ask("POST", f"{PATH}/direct_access", pat=pat)
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


async def test_an_editor_is_told_who_connects(server: Server) -> None:
    pat = await _seat(server, "duo_pro")
    token = await server.ask("POST", f"{PATH}/direct_access", pat=pat)
    answer = await server.ask("POST", f"{PATH}/connection_details", pat=pat)
    version = answer.json().pop("instance_version")
    assert version == token.json()["headers"]["X-Gitlab-Version"]
    assert answer.json() == {
        "instance_id": server.filled.instance_id,
        "instance_version": version,
        "realm": "self-managed",
        "global_user_id": _claims(token)["sub"],
        "host_name": "127.0.0.1",
        "feature_enablement_type": "duo_pro",
        "saas_duo_pro_namespace_ids": [],
    }


async def _project(server: Server, **group: Any) -> tuple[int, str]:
    made = (await server.ask("POST", "/api/v4/groups", json={**group, "name": "lab"})).json()
    wish = {"name": "Test", "namespace_id": made["id"], "visibility": "private"}
    project = (await server.ask("POST", "/api/v4/projects", json=wish)).json()
    return made["id"], project["path_with_namespace"]


async def _enabled(server: Server, path: object, pat: str | None = None) -> Response:
    return await server.ask("POST", f"{PATH}/enabled", pat=pat, json={"project_path": path, "x": 1})


async def test_code_suggestions_are_enabled_where_they_are_granted(server: Server) -> None:
    _, path = await _project(server, path="lab")
    assert (await _enabled(server, path)).status_code == 403
    server.db.write_blocking(lambda session: buy(session, "duo_core"))
    assert (await _enabled(server, path)).status_code == 200


async def test_a_project_that_is_not_there_is_not_found(server: Server) -> None:
    _, path = await _project(server, path="lab")
    _, pat = await server.new_user("eve", "ai_features")
    assert (await _enabled(server, path, pat)).status_code == 404
    for wanted in ("lab/none", "1", "", "../x"):
        assert (await _enabled(server, wanted)).status_code == 404
    assert (await _enabled(server, 7)).status_code == 400
    assert (await server.ask("POST", f"{PATH}/enabled", json={})).status_code == 400


async def test_a_seat_of_a_group_is_told_with_the_group(server: Server) -> None:
    group, _ = await _project(server, path="lab")
    pat = await _seat(server, "duo_pro", group=group)
    found = (await server.ask("POST", f"{PATH}/connection_details", pat=pat)).json()
    assert (found["realm"], found["saas_duo_pro_namespace_ids"]) == ("saas", [group])
